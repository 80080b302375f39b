truncate -s 0 half/main.c out/main.c closed/text
truncate -s 9 half/new
