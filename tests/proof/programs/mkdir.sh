mkdir -p closed/a/b half/c out/d/e
mkfifo half/f out/f
mknod half/dev c 1 3
