#!/bin/sh
# Runs pytest as an ordinary user, from a copy of the tree that this user owns. To be started as root.
# Usage: scripts/as-ordinary-user.sh [PYTEST ARGUMENT]...
# A copy, since the tree may stand where only root can go, and tests write caches beside themselves.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
user=65534 # nobody: every Debian has it, and it owns nothing

scratch=$(mktemp -d /tmp/paddock-user-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
copy=$scratch/paddock
mkdir "$copy" "$scratch/home"
tar -C "$tree" --exclude=./.git --exclude='./.*_cache' --exclude=./.hypothesis --exclude=__pycache__ -cf - . |
    tar -C "$copy" -xf -
# The virtual environment goes along; what in it names the tree is changed to name the copy.
grep -rlIF "$tree/" "$copy"/.venv/bin "$copy"/.venv/lib/python*/site-packages/*.pth 2>/dev/null |
    xargs -r sed -i "s|$tree/|$copy/|g"
for file in "$copy"/.venv/lib/python*/site-packages/*.pth; do
    sed -i "s|^$tree\$|$copy|" "$file"
done
chown -R "$user:$user" "$scratch"
chmod 755 "$scratch"

cd "$copy"
setpriv --reuid="$user" --regid="$user" --clear-groups \
    env -u XDG_RUNTIME_DIR -u TMUX HOME="$scratch/home" USER=nobody LOGNAME=nobody SHELL=/bin/sh \
    .venv/bin/python -m pytest --basetemp="$scratch/pytest" "$@"
