#!/bin/sh
# Runs all checks and tests; "make test" sets up first and then calls this.
# As root, the tests run twice: as root (only root can read the kernel's audit), then as an ordinary user.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin

step() { printf '\n== %s\n' "$*"; }

step "ruff check"
$bin/ruff check
step "ruff format --check"
$bin/ruff format --check
step "mypy --strict"
$bin/mypy
step "import-linter"
$bin/lint-imports
step "pytest, user $(id -un)"
$bin/python -m pytest -n "$(nproc)" --dist loadfile "$@"
if [ "$(id -u)" = 0 ]; then
    step "pytest, an ordinary user"
    scripts/as-ordinary-user.sh -n "$(nproc)" --dist loadfile "$@"
fi
