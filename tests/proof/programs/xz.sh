xz -k in/text
xz half/text
xz out/text
gzip half/table
gzip -kf out/table
bzip2 -c closed/text
bzip2 out/main.c
unxz out/text.xz
