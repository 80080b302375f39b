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

echo "Installing Debian packages:$missing"
install >/dev/null 2>&1 || {  # fails on a machine whose package lists are missing or old
    $as_root apt-get update -q
    install
}
