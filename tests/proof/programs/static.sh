gcc -static -o out/files in/files.c
out/files
