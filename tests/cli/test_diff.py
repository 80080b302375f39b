"""``paddock diff`` compares meanings, verified by the kernel."""

import os
from pathlib import Path

import pytest

from editor.evaluation.diff import compare
from editor.evaluation.resolve import resolve
from editor.policy.parse import parse_policy
from tests.cli.harness import json_of, paddock, write
from tests.growth import grows_linearly

SYSTEM = """\
[[path_beneath]]
allowed_access = ["execute", "read_file", "read_dir"]
parent = ["/usr", "/lib", "/lib64", "/bin"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("x/y/z", "x/w"):
        os.makedirs(tmp_path / name)
    for name in ("x/f", "x/y/f", "x/y/z/f", "x/w/f"):
        write(tmp_path / name, "content\n")
    return tmp_path


def rule(rights: str, *parents: str) -> str:
    return f"[[path_beneath]]\nallowed_access = [{rights}]\nparent = {list(parents)}\n"


def differences(place: Path, a: str, b: str, *options: str) -> tuple[int, list[list[object]], list[list[object]]]:
    """Return the exit status, and what only A and only B allows: subject relative to ``place``, rights, exceptions."""
    write(place / "a.toml", a)
    write(place / "b.toml", b)
    done = paddock("diff", "a.toml", "b.toml", "--format", "json", *options, cwd=place)
    said = json_of(done)
    assert said["same"] == (done.returncode == 0) and done.stderr == ""

    def short(path: str) -> str:
        return path.removeprefix(f"{place}/")

    only_a, only_b = (
        [[short(each["subject"]), each["rights"], [short(path) for path in each["except"]]] for each in said[key]]
        for key in ("only_a", "only_b")
    )
    return done.returncode, only_a, only_b


def test_same_meaning_in_other_words(place: Path) -> None:
    a = 'abi = 1\n[[ruleset]]\nhandled_access_fs = ["read_file"]\n' + rule('"read_file"', "x", "x/y", "x/w/")
    b = '[[variable]]\nname = "v"\nliteral = ["x"]\n' + rule('"read_file"', "${v}/../x")
    assert differences(place, a, b) == (0, [], [])
    assert (
        paddock("diff", "a.toml", "b.toml", cwd=place).stdout == "a.toml and b.toml allow the same on this machine.\n"
    )


def test_what_each_allows_beyond_the_other(place: Path) -> None:
    a = rule('"read_file"', "x/y") + rule('"read_file"', "x/w/f")
    b = rule('"read_file"', "x", "gone/deep")
    status, only_a, only_b = differences(place, a, b)
    assert (status, only_a) == (1, [])
    assert only_b == [["gone/deep", ["read_file"], []], ["x", ["read_file"], ["x/w/f", "x/y"]]]
    done = paddock("diff", "a.toml", "b.toml", cwd=place)
    assert "b.toml allows, and a.toml does not:" in done.stdout
    assert "does not exist yet" in done.stdout and f"but not on {place}/x/w/f, {place}/x/y" in done.stdout
    assert done.stdout.endswith("a.toml allows nothing that b.toml does not.\n")


def test_unrestricted_rights_are_allowed_everywhere(place: Path) -> None:
    a = rule('"read_file", "write_file"', "x")
    b = rule('"read_file"', "x")
    _, only_a, only_b = differences(place, a, b)
    assert (only_a, only_b) == ([], [["/", ["write_file"], ["x"]]])


def test_refer_is_denied_by_any_filesystem_restriction(place: Path) -> None:
    a = '[[ruleset]]\nscoped = ["signal"]\n'
    b = rule('"read_file"', "/")
    _, only_a, only_b = differences(place, a, b)
    assert only_a == [["/", ["refer"], []]]
    assert only_b == [["signal", ["signal"], []]]


def test_ports_and_scopes(place: Path) -> None:
    a = '[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [80, 81]\n'
    b = '[[net_port]]\nallowed_access = ["connect_tcp", "bind_tcp"]\nport = [80, 443]\n'
    b += '[[ruleset]]\nscoped = ["signal"]\n'
    _, only_a, only_b = differences(place, a, b)
    assert only_a == [["*", ["connect_tcp"], []], ["81", ["bind_tcp"], []], ["signal", ["signal"], []]]
    assert only_b == [["443", ["bind_tcp"], []]]
    # An old kernel restricts none of this.
    assert differences(place, a, b, "--abi", "3")[0] == 0


def test_exit_statuses(place: Path) -> None:
    write(place / "a.toml", rule('"read_file"', "x"))
    assert paddock("diff", "a.toml", "gone.toml", cwd=place).returncode == 2
    done = paddock("diff", "a.toml", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert paddock("diff", "a.toml", ".", cwd=place).returncode == 0


def test_kernel_agrees(place: Path) -> None:
    """Compare the differences with what cat can read under each policy."""
    a = SYSTEM + rule('"read_file"', "x/y") + rule('"read_dir"', "x")
    b = SYSTEM + rule('"read_file"', "x/f", "x/y/z", "x/w")
    _, only_a, only_b = differences(place, a, b)
    assert only_a == [["x", ["read_dir"], []], ["x/y", ["read_file"], ["x/y/z"]]]
    assert only_b == [["x/f", ["read_file"], []], ["x/w", ["read_file"], []]]
    for name, under_a, under_b in (
        ("x/f", False, True), ("x/y/f", True, False), ("x/y/z/f", True, True), ("x/w/f", False, True)
    ):  # fmt: skip
        for policy, allowed in (("a.toml", under_a), ("b.toml", under_b)):
            done = paddock("run", policy, "--", "cat", name, cwd=place)
            assert (done.returncode == 0) == allowed, (name, policy, done.stderr)


def test_exit_code_option_does_not_change_the_status(place: Path) -> None:
    a, b = rule('"read_file"', "x"), rule('"read_dir"', "x")
    assert differences(place, a, b, "--exit-code")[0] == differences(place, a, b)[0] == 1
    assert differences(place, a, a, "--exit-code")[0] == 0


def test_many_rules(place: Path) -> None:
    a = "".join(rule('"read_file"', f"gone/{number}", f"x/{number}") for number in range(2000))
    status, only_a, only_b = differences(place, a, rule('"read_file"', "x"))
    assert (status, len(only_a)) == (1, 2000)
    ((subject, _, excepted),) = only_b
    assert subject == "x" and isinstance(excepted, list) and len(excepted) == 2000
    assert " and 1995 more" in paddock("diff", "a.toml", "b.toml", cwd=place).stdout


def test_time_grows_linearly_with_rules(place: Path) -> None:
    def compared(size: int) -> None:
        a = "".join(rule('"read_file"', f"gone/{number}", f"x/{number}") for number in range(size))
        texts = a, rule('"read_file"', "x")
        one, other = (resolve(parse_policy(text, "p.toml", "toml"), base=str(place)) for text in texts)
        assert len(compare(one, other).only_a) == size

    assert grows_linearly(compared, 50)
