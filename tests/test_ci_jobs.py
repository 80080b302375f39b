"""The jobs for continuous integration in README.md: each of their shell lines, run one after the other.

They run as a hoster runs them, with ``bash -e`` at the top of a repository that has a policy, its checks and the wheel.
One thing differs: what ``pipx install`` or ``pip install`` installs comes without its dependencies, since ``check`` and
``verify`` need none and tests use no network.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from editor.analysis.verify.checks import parse_checks
from tests.cli.harness import POLICY, environment, write
from tests.test_packaging import wheel  # noqa: F401 the fixture
from tests.test_readme import README

# The README's policy would need nginx; this one is called web too.
WEB = POLICY.replace('"/etc", ', '"/etc/hosts", "/etc/ld.so.cache", ')
CHECKS = """\
[[check]]
name = "reads its settings"
command = "cat /etc/hosts"
environment = { LC_ALL = "C" }
allowed = ["read_file /etc/hosts"]

[[check]]
name = "no other port"
allowed = ["connect_tcp 443"]
denied = ["connect_tcp 25", "bind_tcp 443", "read_dir /etc"]
"""
_INSTALL = re.compile(r"(?:pipx|pip) install (\S+)")


def block(language: str, first: str) -> str:
    """Return the code block in ``language`` that starts with ``first``."""
    (found,) = (text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if text.startswith(first))
    return str(found)


def github_lines() -> list[tuple[str, bool]]:
    """Return each shell line of the job, and whether it runs only after a failure."""
    steps = block("yaml", "on: [push").split("    steps:\n")[1].split("      - ")[1:]
    return [
        (step.removeprefix("run: ").splitlines()[0], "if: failure()" in step) for step in steps if step[:5] == "run: "
    ]


def gitlab_lines() -> list[tuple[str, bool]]:
    return [(line, False) for line in re.findall(r"^    - (.+)$", block("yaml", "policies:\n"), re.MULTILINE)]


@pytest.fixture
def repository(tmp_path: Path, wheel: str) -> Path:  # noqa: F811 the fixture
    """Create a repository with a policy and its checks, and an environment for its job without anything installed."""
    root = tmp_path / "repository"
    (root / "policies").mkdir(parents=True)
    (root / "ci").mkdir()
    write(root / "policies" / "web.toml", WEB)
    write(root / "policies" / "web.checks.toml", CHECKS)
    shutil.copy(wheel, root / "ci")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=120)
    return root


def run_job(lines: list[tuple[str, bool]], root: Path) -> list[tuple[str, int]]:
    """Run the lines until one fails, and then those for failures; return each with its status."""
    bin_ = os.path.join(root.parent, "venv", "bin")
    offline = f"{sys.executable} -m pip --python {bin_}/python install --quiet --no-deps --no-index"
    env = environment(PATH=f"{bin_}:/usr/bin:/bin")
    del env["PYTHONPATH"]
    ran: list[tuple[str, int]] = []
    failed = False
    for line, after_failure in lines:
        if failed != after_failure:
            continue
        adapted = _INSTALL.sub(rf"{offline} \1", line)
        status = subprocess.run(["bash", "-e", "-c", adapted], cwd=root, env=env, timeout=120, check=False).returncode
        ran.append((line, status))
        failed = failed or status != 0
    return ran


def widen(root: Path) -> None:
    write(root / "policies" / "web.toml", WEB.replace("port = [443]", "port = [443, 25]"))


def test_example_of_checks_is_valid() -> None:
    checks, problems = parse_checks(block("toml", "[[check]]"), "nginx.checks.toml")
    assert (len(checks), problems) == (2, ())


def test_github_job(repository: Path) -> None:
    lines = github_lines()
    assert [line.split()[0] for line, _ in lines] == ["pipx", "paddock", "paddock", "paddock", "paddock"]
    ran = run_job(lines, repository)
    assert ran == [(line, 0) for line, after_failure in lines if not after_failure]
    widen(repository)
    ran = run_job(lines, repository)
    assert ran == [(line, status) for (line, _), status in zip(lines, (0, 0, 0, 1, 1), strict=True)]
    sarif = (repository / "verify.sarif").read_text()
    assert "connect_tcp 25 is allowed by policies/web.toml:18" in sarif


def test_gitlab_job(repository: Path) -> None:
    lines = gitlab_lines()
    assert [line.split()[0] for line, _ in lines] == ["pip", "paddock", "paddock"]
    assert run_job(lines, repository) == [(line, 0) for line, _ in lines]
    widen(repository)
    assert run_job(lines, repository) == [(line, status) for (line, _), status in zip(lines, (0, 0, 1), strict=True)]
    suite = ElementTree.parse(repository / "verify.xml").getroot()[0]  # noqa: S314 our own
    assert [len(case) for case in suite if case.find("failure") is not None] == [1]
