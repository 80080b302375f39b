#!/bin/sh
# Installs the Debian packages that a make target needs and this machine lacks.
# Usage: scripts/packages.sh run|test|kernels|screenshots
# Checks for the program or file itself, not for the package, so that other distributions and installations work too.
set -eu
export LC_ALL=C

goal=${1:?usage: scripts/packages.sh run|test|kernels|screenshots}
missing=""

want() { # PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

have() { command -v "$1"; }
is_static() { file=$(command -v "$1") && ! ldd "$file"; }
has_32_bit_gcc() { file=$(gcc -m32 -print-file-name=libgcc.a) && [ -e "$file" ] && [ -e /usr/lib32/libc.a ]; }
has_initdb() { ls /usr/lib/postgresql/*/bin/initdb; }
can_make_venvs() { "$(dirname "$0")/interpreter.sh"; }

want python3-venv can_make_venvs
case $goal in
    run) ;;
    test)
        want ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
        want curl have curl                       # sample policy: downloader
        want debootstrap have debootstrap         # a Debian 13 to find promises in
        want gcc have gcc                         # sample policy: c-compile
        want git have git                         # sample policy: git-work-tree
        want libc6-dev test -e /usr/include/stdio.h
        want make have make                       # sample policy: no-network-build
        want mount have mount
        want netbase test -e /etc/services        # ports by name
        want openssh-client have ssh-keygen       # sample policy: ssh-keygen
        want openssl have openssl                 # creates the certificate of the test's https server
        want patch have patch                     # one of the programs whose denials are compared with the audit log
        want procps have ps                       # tests look for leftover processes
        want strace have strace                   # the baseline for the cost of tracing
        want tmux have tmux                       # drives the real program in a real terminal
        want util-linux have setpriv              # runs the tests again as an ordinary user
        want util-linux have unshare              # sample policies: a separate network
        # Programs compared with the kernel's audit and strace (tests/proof).
        want bubblewrap have bwrap
        want bzip2 have bzip2
        want cargo test -x /usr/bin/cargo         # with rustc, 60 MB
        want ccache have ccache
        want cpio have cpio
        [ "$(uname -m)" != x86_64 ] || want gcc-multilib has_32_bit_gcc
        want gpg have gpg
        want gpg-agent have gpg-agent
        want less have less
        want man-db have man                      # with groff
        want nginx have nginx
        want nodejs have node
        want npm have npm
        want default-jdk-headless have javac       # about 270 MB
        want perl have perl
        want postgresql has_initdb                # the largest of these, about 50 MB
        want python3-pip test -x /usr/bin/pip3
        want redis-tools have redis-check-rdb     # the redis-server binary under another name, without the service
        want rsync have rsync
        want sqlite3 have sqlite3
        want squashfs-tools have mksquashfs
        want squashfuse have squashfuse
        want unzip have unzip
        want vim-tiny have vim.tiny
        want xz-utils have xz
        want zip have zip
        ;;
    kernels)
        want busybox-static is_static busybox     # the guests' programs
        want debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
        want dpkg have dpkg-deb                   # unpacks kernel packages
        want qemu-system-x86 have qemu-system-x86_64
        ;;
    screenshots)
        want fonts-dejavu-core test -e /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf
        want librsvg2-bin have rsvg-convert       # SVG to PNG
        ;;
    *)
        echo "scripts/packages.sh: unknown target: $goal" >&2
        exit 2
        ;;
esac
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
fi
if ! have apt-get >/dev/null || { [ -n "$as_root" ] && ! sudo -n true 2>/dev/null; }; then
    echo "Paddock needs these Debian packages (or equivalents) for \"make $goal\":$missing" >&2
    echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

install() {
    # shellcheck disable=SC2086 # words are meant to split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}

# Only the programs are needed, but Debian would start the servers now and at every boot.
started_by=/usr/sbin/policy-rc.d
if ! [ -e "$started_by" ]; then
    trap '$as_root rm -f "$started_by"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$started_by" >/dev/null
    $as_root chmod 755 "$started_by"
fi

echo "Installing Debian packages:$missing"
install >/dev/null 2>&1 || {  # fails if the package lists are missing or outdated
    $as_root apt-get update -q
    install
}
for service in nginx postgresql; do
    case "$missing " in
        *" $service "*) $as_root systemctl disable "$service" >/dev/null 2>&1 || true ;; # fails without systemd
    esac
done
