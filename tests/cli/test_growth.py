"""Every verb's work grows no faster than its input: on many rules, missing paths, variables, findings and notes.

Lines of Python are counted, those of the tracer included, so that nothing here depends on the speed of the machine.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from editor.cli.main import main
from editor.screens.filesystem import Filesystem
from editor.screens.panel_rows import handled_rows, port_rows, right_states
from editor.workspace.workspace import Workspace
from tests.cli.harness import environment, write
from tests.growth import steps

COUNTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counted.py")
ABI = "abi = 7\n"
RULESET = '[[ruleset]]\nhandled_access_fs = ["abi.all"]\n\n'
ROOT = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/"]\n\n'
SYSTEM = ROOT.replace('"/"', '"/usr", "/lib", "/lib64", "/bin"')
SMALL, LARGE = 50, 200


def rule(path: str, *rights: str) -> str:
    names = ", ".join(f'"{right}"' for right in rights or ("read_file",))
    return f'[[path_beneath]]\nallowed_access = [{names}]\nparent = ["{path}"]\n\n'


def variable(name: str, *literals: str) -> str:
    listed = ", ".join(f'"{each}"' for each in literals)
    return f'[[variable]]\nname = "{name}"\nliteral = [{listed}]\n\n'


def many(size: int, text: Callable[[int], str]) -> str:
    return "".join(map(text, range(size)))


# By name: the text of a policy of ``size`` items for a directory with files f0, f1, ... in it.
POLICIES: dict[str, Callable[[str, int], str]] = {
    "rules": lambda at, size: RULESET + SYSTEM + many(size, lambda n: rule(f"{at}/f{n}")),
    "missing": lambda at, size: RULESET + SYSTEM + many(size, lambda n: rule(f"{at}/gone{n}")),
    "covered": lambda at, size: RULESET + ROOT + many(size, lambda n: rule(f"{at}/f{n}")),
    "refused": lambda at, size: RULESET + SYSTEM + many(size, lambda n: rule(f"{at}/f{n}", "read_file", "read_dir")),
    "repeated": lambda at, size: RULESET + SYSTEM + many(size, lambda _: rule(f"{at}/f0")),
    "paths": lambda at, size: (
        RULESET + SYSTEM + rule('", "'.join(f"{at}/{'f' if n % 2 else 'gone'}{n}" for n in range(size)))
    ),
    "variables": lambda at, size: (
        many(size, lambda n: variable(f"v{n}", f"{at}/f{n}"))
        + RULESET
        + ROOT
        + many(size, lambda n: rule(f"${{v{n}}}"))
    ),
    "unused": lambda at, size: many(size, lambda n: variable(f"v{n}", f"{at}/f{n}")) + RULESET + SYSTEM,
    "literals": lambda at, size: (
        variable("v", *(f"{at}/f{n}" for n in range(size))) + RULESET + SYSTEM + rule("${v}")
    ),
    "ports": lambda _, size: (
        f'{RULESET}[[ruleset]]\nhandled_access_net = ["bind_tcp"]\n\n{SYSTEM}'
        + many(size, lambda n: f'[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [{n + 1}]\n\n')
    ),
}  # fmt: skip
# By name: the words after "paddock" for a policy file and a small change of it.
VERBS: dict[str, Callable[[str, str], tuple[str, ...]]] = {
    "abi": lambda *_: ("abi",),
    "check": lambda file, _: ("check", "--notes", file),
    "check --fix": lambda file, _: ("check", "--fix", file),
    "check --compat": lambda file, _: ("check", "--compat", file),
    "diff": lambda file, other: ("diff", file, other),
    "explain": lambda file, _: ("explain", file, "/etc/hostname"),
    "explain --all": lambda file, _: ("explain", "--all", file),
    "export --to landlock-toml": lambda file, _: ("export", "--to", "landlock-toml", file),
    "export --to landlock-json": lambda file, _: ("export", "--to", "landlock-json", file),
    "export --to resolved": lambda file, _: ("export", "--to", "resolved", file),
}
RUNS: dict[str, tuple[str, ...]] = {
    "run": ("run",),
    "run --verbose": ("run", "--verbose"),
    "test": ("test",),
    "test --format json": ("test", "--format", "json"),
}


def lines_of(place: Path, *words: str) -> int:
    """Return how many lines of Python ``paddock`` executes with ``words``, in processes of its own."""
    count = place / "count"
    count.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, COUNTED, str(count), *words],
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sum(map(int, count.read_text().split()))


def load_screen(file: str) -> None:
    """Derive what the screen shows of a policy at first: the state of the draft, and the rows of its panels."""
    workspace = Workspace.open(file)
    Filesystem(workspace).children(os.path.dirname(file))
    right_states(workspace, file)
    port_rows(workspace)
    handled_rows(workspace)
    workspace.close()


def in_proportion(count: Callable[[int], int]) -> None:
    """Check that four times the size is about four times the work, not 16 times, beside what a start always takes."""
    least, small, large = (count(size) for size in (2, SMALL, LARGE))
    assert large - least <= 1.4 * LARGE / SMALL * max(small - least, least / 20), (least, small, large)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files that the policies name."""
    place = tmp_path_factory.mktemp("many")
    for number in range(LARGE):
        (place / f"f{number}").touch()
    return place


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("verb", VERBS)
def test_work_grows_with_the_size(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, kind: str
) -> None:
    monkeypatch.chdir(files)

    def count(size: int) -> int:
        text = ABI + POLICIES[kind](str(files), size)
        other = write(files / "other.toml", text.replace('["read_file"', '["truncate", "read_file"'))
        words = VERBS[verb](write(files / "policy.toml", text), other)
        return steps(lambda: main(words))

    count(1)  # imports what it needs
    in_proportion(count)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("kind", ["rules", "missing", "variables", "covered", "refused"])
@pytest.mark.parametrize("verb", RUNS)
def test_work_of_a_run_grows_with_the_size(files: Path, verb: str, kind: str) -> None:
    def count(size: int) -> int:
        file = write(files / "policy.toml", ABI + POLICIES[kind](str(files), size))
        return lines_of(files, *RUNS[verb], file, "--", "true")

    in_proportion(count)


@pytest.mark.parametrize("kind", POLICIES)
def test_work_of_loading_the_screen_grows_with_the_size(files: Path, kind: str) -> None:
    def count(size: int) -> int:
        file = write(files / "policy.toml", ABI + POLICIES[kind](str(files), size))
        return steps(lambda: load_screen(file))

    count(1)
    in_proportion(count)


def test_run_starts_as_fast_with_missing_paths_as_with_existing_ones(files: Path) -> None:
    missing, existing = (
        lines_of(files, "run", write(files / f"{kind}.toml", ABI + POLICIES[kind](str(files), LARGE)), "--", "true")
        for kind in ("missing", "rules")
    )
    assert missing <= 1.5 * existing
