gcc -m32 -o out/files in/files.c
out/files
gcc -m32 -static -D_FILE_OFFSET_BITS=64 -o out/static in/files.c
out/static
