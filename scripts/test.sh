#!/bin/sh
# Runs all checks and tests; "make test" sets up first and then calls this.
# As root, the tests run twice: as root (only root can read the kernel's audit), then as an ordinary user
# (only what can differ: tests/same_for_every_user.txt lists the rest).
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
# One more than there are processors, since many tests wait; each takes the next test, so that none is idle at the end.
workers=$(($(nproc) + 1))
step "pytest, user $(id -un)"
$bin/python -m pytest -n "$workers" --dist worksteal "$@"
if [ "$(id -u)" = 0 ]; then
    step "pytest, an ordinary user"
    ignored=""
    [ $# -gt 0 ] || ignored=$(sed -n 's/^tests/--ignore=&/p' tests/same_for_every_user.txt)
    # shellcheck disable=SC2086 # each line is a word of its own
    scripts/as-ordinary-user.sh $ignored -n "$workers" --dist worksteal "$@"
fi
