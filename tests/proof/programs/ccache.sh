ccache gcc -c -o half/main.o in/main.c
ccache gcc -c -o out/main.o in/main.c
ccache gcc -c -o closed/main.o in/main.c
CCACHE_DIR=$PWD/closed ccache gcc -c -o out/other.o in/main.c
