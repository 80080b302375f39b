# Nothing of the file system is restricted, so that the mounts are made; the ports are.
unshare -Urm sh -c '
    mount -t tmpfs none tmp
    mkdir tmp/in tmp/upper tmp/work tmp/merged
    mount --bind in tmp/in
    mount -t overlay -o lowerdir=in,upperdir=tmp/upper,workdir=tmp/work none tmp/merged
    cp tmp/in/text tmp/merged/copy
    rm tmp/merged/table
    cd tmp/merged
    /usr/bin/python3 -I -S ports.py
    umount ../in'
