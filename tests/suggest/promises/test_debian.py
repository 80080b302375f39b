"""Promises in another system: Debian 13, as debootstrap makes it, kept in a cache between runs."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.suggest.promises.catalogue import found
from editor.suggest.promises.system import System
from tests.cli.harness import REPOSITORY, write
from tests.suggest.promises.enforced import EMPTY, document_of

_CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "paddock-debian-13")
_MIRROR = "http://deb.debian.org/debian"
_PACKAGES = "ca-certificates,libc-bin,python3"
_INSIDE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

THREE = ("dns", "exec", "tls")
COMMANDS = (
    ("getent", "hosts", "localhost"),
    ("python3", "-c", "import ssl; assert ssl.create_default_context().get_ca_certs()"),
)

pytestmark = [pytest.mark.root, pytest.mark.program("debootstrap", "chroot"), pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def debian() -> str:
    """The root of a Debian 13 with Python and certificates. Making it takes a minute and 260 MB."""
    with open(f"{_CACHE}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(_CACHE):
            new = f"{_CACHE}.new"
            shutil.rmtree(new, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "trixie", new, _MIRROR]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stdout + done.stderr).strip().splitlines()[-1:]
                pytest.skip(f"debootstrap cannot make a root of Debian 13 from {_MIRROR}: {' '.join(last)}")
            os.rename(new, _CACHE)
    return _CACHE


@pytest.fixture
def place(debian: str, tmp_path: Path) -> Iterator[str]:
    """A directory inside with Paddock in it, as seen there; everybody may read it."""
    inside = f"/opt/{tmp_path.name}-{os.getpid()}"
    outside = debian + inside
    try:
        shutil.copytree(f"{REPOSITORY}/editor", f"{outside}/editor", ignore=shutil.ignore_patterns("__pycache__"))
        os.chmod(outside, 0o755)  # noqa: S103 the ordinary user has to read it
        yield inside
    finally:
        shutil.rmtree(outside)


def _paddock(debian: str, place: str, *words: str, user: int = 0) -> "subprocess.CompletedProcess[str]":
    chroot = shutil.which("chroot") or "chroot"  # the environment is for what is inside
    command = [chroot, f"--userspec={user}:{user}", debian, "python3", "-B", "-m", "editor", *words]
    environment = {**_INSIDE, "PYTHONPATH": place}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("user", [0, 65534])
def test_dns_exec_and_tls_are_enough_there(debian: str, place: str, user: int) -> None:
    system = System(debian)
    programs = tuple(command[0] for command in COMMANDS)
    promises = {name: found(name, system, programs=programs if name == "exec" else ()) for name in THREE}
    file = f"{place}/policy.toml"
    for left_out in (None, "dns", "tls"):
        write(debian + file, document_of(*(each for name, each in promises.items() if name != left_out)).text)
        statuses = []
        for command in COMMANDS:
            done = _paddock(debian, place, "run", file, "--", *command, user=user)
            statuses.append(done.returncode)
            assert done.returncode == 0 or left_out, done.stderr
        assert [status == 0 for status in statuses] == [left_out != "dns", left_out != "tls"]


def test_it_finds_the_same_inside_and_from_outside(debian: str, place: str) -> None:
    file = f"{place}/policy.toml"
    write(debian + file, EMPTY)
    names = ("dns", "tls", "getpw", "locale", "time", "python")
    for name in names:
        assert _paddock(debian, place, "promise", name, file).returncode == 0
    with open(debian + file, encoding="utf-8") as written:
        text = written.read()
    system = System(debian, _INSIDE)
    assert (
        text == document_of(*(found(name, system) for name in ("dns", "tls", "getpw", "locale", "time", "python"))).text
    )
    assert "/usr/lib/python3.13" in text
    assert "perl" not in text
