"""The wheel: its content, and that the command works from it alone."""

import email
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator

import pytest

from editor import __version__
from tests.e2e.terminal import Terminal

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the wheel from the tree."""
    directory = str(tmp_path_factory.mktemp("wheel"))
    command = [*(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"), "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", directory, TREE], check=True, timeout=120)
    (name,) = os.listdir(directory)
    return os.path.join(directory, name)


@pytest.fixture(scope="module")
def installed(wheel: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return bin/ of a virtual environment with the wheel alone, without its dependencies."""
    environment = str(tmp_path_factory.mktemp("clean") / "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=120)
    programs = os.path.join(environment, "bin")
    pip = [sys.executable, "-m", "pip", "--python", os.path.join(programs, "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=120)
    return programs


def tree_files(directory: str) -> Iterator[str]:
    """Yield the package files below ``directory``, by their path in the tree."""
    for parent, directories, names in os.walk(os.path.join(TREE, directory)):
        directories[:] = [name for name in directories if name != "__pycache__" and not name.startswith(".")]
        yield from (os.path.relpath(os.path.join(parent, name), TREE) for name in names)


def test_wheel_has_packages_samples_and_licences(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = set(archive.namelist())
    metadata = f"paddock-{__version__}.dist-info"
    code = {*tree_files("editor"), *tree_files("widgets")}
    samples = {f"editor/{path}" for path in tree_files("sample_policies")}
    assert len(code) > 20
    assert len(samples) == 16  # each with its checks
    assert {"editor/py.typed", "widgets/py.typed"} <= content
    described = {f"{metadata}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    licences = {f"{metadata}/licenses/{name}" for name in ("LICENSE-APACHE", "LICENSE-MIT")}
    assert content == code | samples | described | licences


def test_wheel_metadata(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"paddock-{__version__}.dist-info/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("paddock", __version__)
    assert metadata["License-Expression"] == "Apache-2.0 OR MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    needs = sorted(re.split("[<>=]", line)[0] for line in metadata.get_all("Requires-Dist", []))
    assert needs == ["textual", "tomlkit", "watchdog"]


def run(*command: str, cwd: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` outside the tree, which must not be imported."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_command_works_from_the_wheel(installed: str, tmp_path: os.PathLike[str]) -> None:
    cwd = os.fspath(tmp_path)
    for command in (["paddock"], ["python", "-m", "editor"]):
        done = run(os.path.join(installed, command[0]), *command[1:], "--version", cwd=cwd)
        assert (done.returncode, done.stdout) == (0, f"paddock {__version__}\n"), done.stderr


def test_verbs_need_nothing_but_the_wheel(installed: str, tmp_path: os.PathLike[str]) -> None:
    cwd = os.fspath(tmp_path)
    paddock = os.path.join(installed, "paddock")
    sample = ("--sample", "read-only-shell")
    done = run(paddock, "run", *sample, "--", "cat", "/etc/hostname", cwd=cwd)
    with open("/etc/hostname", encoding="utf-8") as file:
        assert (done.returncode, done.stdout) == (0, file.read()), done.stderr
    done = run(paddock, "test", *sample, "--format", "json", "--", "touch", "file", cwd=cwd)
    assert done.returncode == 1
    assert not os.listdir(cwd)
    report = json.loads(done.stdout)
    assert report["counts"]["denied"] == 1
    assert report["policy"].startswith(os.path.dirname(installed))
    done = run(paddock, "export", *sample, "--to", "resolved", cwd=cwd)
    assert (done.returncode, json.loads(done.stdout)["path_beneath"]["/usr"]) == (
        0,
        ["execute", "read_dir", "read_file"],
    )


@pytest.mark.tmux
def test_sample_opens_on_the_screen_from_the_wheel(installed: str, tmp_path: os.PathLike[str]) -> None:
    dependencies = sysconfig.get_path("purelib")
    site = subprocess.run(
        [os.path.join(installed, "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with open(os.path.join(site, "dependencies.pth"), "w", encoding="utf-8") as file:
        file.write(f"{dependencies}\n")  # after the wheel on the path; it has nothing of Paddock
    socket = os.path.join(tmp_path, "tmux")
    command = [os.path.join(installed, "paddock"), "--sample", "read-only-shell"]
    with Terminal(command, socket=socket, cwd=os.fspath(tmp_path)) as terminal:
        terminal.wait_for("cat /etc/hostname")  # the command that the sample suggests
        terminal.press("q")
        terminal.wait_for("[exit 0]")
