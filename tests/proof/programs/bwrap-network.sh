# Nothing of the file system is restricted, so that the mounts are made; the ports are.
bwrap --ro-bind / / --tmpfs "$PWD/tmp" --bind "$PWD/in" "$PWD/tmp/in" --dev /dev --proc /proc \
    /usr/bin/python3 -I -S tmp/in/ports.py
