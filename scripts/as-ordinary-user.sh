#!/bin/sh
# Runs pytest as an ordinary user, in a copy of the tree that this user owns. Must be run as root.
# Usage: scripts/as-ordinary-user.sh [PYTEST ARGUMENT]...
# It needs a copy because the tree may be where only root can go, and tests write caches next to themselves.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
user=65534 # nobody: exists on every Debian, and owns no files

scratch=$(mktemp -d /tmp/paddock-user-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
copy=$scratch/paddock
mkdir "$copy" "$scratch/home"
# Compiled modules come along, but not those of tests: pytest's contain the paths of the first tree.
tar -C "$tree" --exclude=./.git --exclude='./.*_cache' --exclude=./.hypothesis --exclude='./tests/*__pycache__' -cf - . |
    tar -C "$copy" -xf -
# The virtual environment is copied too; paths in it are changed to point into the copy.
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
