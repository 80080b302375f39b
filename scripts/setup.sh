#!/bin/sh
# Creates the virtual environment .venv for a make target, or does nothing if it is up to date.
# Usage: scripts/setup.sh run|test|screenshots
# Package indexes and proxies are taken from pip's own settings (environment, pip.conf).
set -eu
cd "$(dirname "$0")/.."

goal=${1:?usage: scripts/setup.sh run|test|screenshots}
scripts/packages.sh "$goal"
python=$(scripts/interpreter.sh)

# The stamp records what .venv was made from. A moved tree counts as new: scripts in .venv contain its path.
content=$(sha256sum <pyproject.toml)
made_from="$content $PWD $("$python" -c 'import sys; print(sys.executable, sys.version)' | tr '\n' ' ')"
stamp=.venv/made-from
extra=""
if [ "$goal" != run ]; then
    extra=dev
fi
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$made_from" ]; }
if fresh "$stamp-dev" || { [ -z "$extra" ] && fresh "$stamp"; }; then
    exit 0
fi

echo "Setting up .venv with $python"
if ! fresh "$stamp"; then
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --upgrade "pip>=25.1" # the first version with --group
    .venv/bin/python -m pip install --quiet --editable .
    printf '%s\n' "$made_from" >"$stamp"
fi
if [ -n "$extra" ]; then
    .venv/bin/python -m pip install --quiet --group dev
    printf '%s\n' "$made_from" >"$stamp-dev"
fi
