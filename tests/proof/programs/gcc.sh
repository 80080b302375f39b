gcc -o out/main in/main.c
out/main
gcc -c -o half/main.o in/main.c
gcc -o closed/main in/main.c
