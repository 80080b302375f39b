find in | cpio -o >out/all.cpio
cd half && cpio -idu <../out/all.cpio
cd ../closed
