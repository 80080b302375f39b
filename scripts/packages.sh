#!/bin/sh
# Installs the Debian packages that a goal needs and this machine lacks.
# Usage: scripts/packages.sh run|test|kernels|screenshots
# Checks for the thing itself, not for the package, so that another distribution, or another origin of a program, will do.
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
has_initdb() { ls /usr/lib/postgresql/*/bin/initdb; }
can_make_venvs() { "$(dirname "$0")/interpreter.sh"; }

want python3-venv can_make_venvs
case $goal in
    run) ;;
    test)
        want ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
        want curl have curl                       # sample policy: downloader
        want gcc have gcc                         # sample policy: C compile
        want git have git                         # sample policy: git in a work tree
        want libc6-dev test -e /usr/include/stdio.h
        want make have make                       # sample policy: no-network build
        want netbase test -e /etc/services        # ports by name
        want openssh-client have ssh-keygen       # sample policy: SSH key generator
        want openssl have openssl                 # makes the certificate of the test's own https server
        want patch have patch                     # one of the programs whose denials are compared with audit
        want procps have ps                       # tests look for processes left over
        want strace have strace                   # benchmark: what tracing costs with it
        want tmux have tmux                       # drives the real program in a real terminal
        want util-linux have setpriv              # repeats the tests as an ordinary user
        want util-linux have unshare              # sample policies: a network of their own
        # Programs that are held against the kernel's audit and strace (tests/proof).
        want bzip2 have bzip2
        want cpio have cpio
        want gpg have gpg
        want gpg-agent have gpg-agent
        want less have less
        want man-db have man                      # with groff
        want nginx have nginx
        want nodejs have node
        want perl have perl
        want postgresql has_initdb                # of all these the largest, some 50 MB
        want redis-tools have redis-check-rdb     # is redis-server by another name, without the service
        want rsync have rsync
        want sqlite3 have sqlite3
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
        echo "scripts/packages.sh: unknown goal: $goal" >&2
        exit 2
        ;;
esac
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
fi
if ! have apt-get >/dev/null || { [ -n "$as_root" ] && ! sudo -n true 2>/dev/null; }; then
    echo "Paddock needs these Debian packages (or their like) for \"make $goal\":$missing" >&2
    echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

install() {
    # shellcheck disable=SC2086 # words are meant to split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}

# Servers are installed for their programs alone: Debian would start them at once, and at each boot.
started_by=/usr/sbin/policy-rc.d
if ! [ -e "$started_by" ]; then
    trap '$as_root rm -f "$started_by"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$started_by" >/dev/null
    $as_root chmod 755 "$started_by"
fi

echo "Installing Debian packages:$missing"
install >/dev/null 2>&1 || {  # fails on a machine whose package lists are missing or old
    $as_root apt-get update -q
    install
}
for service in nginx postgresql; do
    case "$missing " in
        *" $service "*) $as_root systemctl disable "$service" >/dev/null 2>&1 || true ;; # fails where there is no systemd
    esac
done
