#!/bin/sh
# Prints the Python to create the virtual environment with: 3.11 or later, with the venv module.
# The system's own comes first: the ordinary user of the tests could not run one in somebody's home directory.
set -eu

for python in /usr/bin/python3 "$(command -v python3 || true)"; do
    [ -x "$python" ] || continue
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$python"
        exit 0
    fi
done
echo "Paddock needs Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)." >&2
exit 1
