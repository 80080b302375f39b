unshare -Urm --propagation unchanged sh -c '
    mount -t tmpfs none tmp
    mount --bind in out/sub
    mount -t overlay -o lowerdir=in,upperdir=out,workdir=tmp none half/sub
    mkdir closed/new
    umount -n /proc
    cat closed/text out/sub/text'
