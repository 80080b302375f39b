rm -rf half closed
rm in/main.c
rm -r out/sub
rmdir in/sub
