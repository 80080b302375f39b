"""Run ``paddock`` as its users do; a policy to run it on."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PADDOCK = (sys.executable, "-m", "editor")

# A shell and its tools can run, /etc can be read, everything else is denied.
POLICY = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]

[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc", "/proc"]

[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]

[[path_beneath]]
allowed_access = ["read_file", "write_file"]
parent = ["/dev/null"]
"""
USR_LINE = 10
ETC_LINE = 14


def environment(**extra: str) -> dict[str, str]:
    """Return a plain environment in which ``python -m editor`` finds the checkout from any directory."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": REPOSITORY, "TERM": "dumb", **extra}


def paddock(
    *words: str | bytes,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    answer: bytes = b"",
    before: tuple[str, ...] = (),
) -> "subprocess.CompletedProcess[str]":
    """Run ``paddock`` with ``words`` and capture its output; ``before`` is put in front of the whole command."""
    done = subprocess.run(
        [*before, *PADDOCK, *words],
        cwd=cwd,
        env=environment() if env is None else env,
        input=answer,
        capture_output=True,
        timeout=120,
        check=False,
    )
    out, err = (data.decode("utf-8", "surrogateescape") for data in (done.stdout, done.stderr))
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def json_of(done: "subprocess.CompletedProcess[str]") -> Any:
    """Return what ``done`` wrote to standard output, which must be one JSON value in ASCII."""
    assert done.stdout.isascii()
    return json.loads(done.stdout)


def write(path: str | os.PathLike[str], text: str) -> str:
    """Write a file and return its path."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return os.fspath(path)


def write_program(path: str | os.PathLike[str], text: str) -> str:
    """Write an executable file and return its path."""
    write(path, text)
    os.chmod(path, 0o755)  # noqa: S103 it is a program
    return os.fspath(path)
