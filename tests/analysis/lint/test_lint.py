"""Findings of ``paddock check``: each in its place, and none for a sound policy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from editor.analysis.lint.catalogue import LINTS, Finding
from editor.analysis.lint.engine import fixes, lint
from editor.editing.document import PolicyDocument
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import resolve
from editor.exchange.reference import unknown_to_reference
from editor.policy.parse import parse_policy
from tests.growth import grows_linearly

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "device").symlink_to("/dev/null")
    return tmp_path


def findings(tree: Path, text: str, target_abi: int | None = None) -> tuple[Finding, ...]:
    """Return the findings about ``text``, whose relative paths start at ``tree``."""
    policy = parse_policy(text, "policy.toml", "toml")
    return lint(policy, resolve(policy, base=str(tree)), target_abi=target_abi)


def brief(found: tuple[Finding, ...]) -> list[tuple[str, int]]:
    """Return the id and line of warnings and errors, except the unhandled rights of most short policies."""
    return [(each.id, each.location.line) for each in found if each.severity != "note" and each.id != "unhandled-right"]


def only(found: tuple[Finding, ...], id: str) -> list[tuple[int, str, str]]:
    return [(each.location.line, each.severity, each.message) for each in found if each.id == id]


def test_sound_policy_has_no_findings(tree: Path) -> None:
    text = """\
abi = 6
[[variable]]
name = "where"
literal = ["directory", "file"]
[[ruleset]]
handled_access_fs = ["abi.all"]
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["${where}"]
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["file"]
[[path_beneath]]
allowed_access = ["read_file", "write_file"]
parent = ["device"]
"""
    assert brief(findings(tree, text)) == []


def test_missing_path(tree: Path) -> None:
    text = """\
[[path_beneath]]
allowed_access = ["read_file"]
parent = [
    "directory",
    "gone\\u001b",
]
"""
    (found,) = (each for each in findings(tree, text) if each.id == "missing-path")
    assert (found.id, found.location.line, found.location.column) == ("missing-path", 5, 5)
    assert found.message == "gone\\x1b does not exist: its rule grants nothing."


def test_rights_that_cannot_be_granted_on_a_file(tree: Path) -> None:
    rule = '[[path_beneath]]\nallowed_access = ["read_file", "make_reg"]\nparent = '
    assert brief(findings(tree, rule + '["file"]')) == [("file-right", 3)]
    assert brief(findings(tree, rule + '["file", "directory"]')) == []


def test_rights_newer_than_the_target_abi(tree: Path) -> None:
    text = """\
abi = 2
[[ruleset]]
handled_access_fs = ["abi.all", "truncate"]
[[path_beneath]]
allowed_access = ["truncate", "ioctl_dev"]
parent = ["directory"]
"""
    assert brief(findings(tree, text)) == [("newer-right", 2), ("newer-right", 4)]
    assert brief(findings(tree, text, target_abi=4)) == [("newer-right", 4)]
    assert brief(findings(tree, text, target_abi=5)) == []


def test_write_without_truncate(tree: Path) -> None:
    text = """\
[[ruleset]]
handled_access_fs = ["truncate"]
[[path_beneath]]
allowed_access = ["write_file"]
parent = ["file", "directory", "device"]
"""
    assert brief(findings(tree, text)) == [("write-without-truncate", 5)]
    # Another rule may grant it, and if it is not handled it is not missing.
    more = text + f'[[path_beneath]]\nallowed_access = ["truncate"]\nparent = ["{tree}"]\n'
    assert brief(findings(tree, more)) == []
    assert brief(findings(tree, text.replace('"truncate"', '"execute"'))) == []


def test_execute_without_read(tree: Path) -> None:
    text = """\
[[path_beneath]]
allowed_access = ["execute"]
parent = ["directory"]
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["file"]
"""
    assert brief(findings(tree, text)) == [("execute-without-read_file", 3)]


def test_writable_root(tree: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["write_file", "truncate"]\nparent = ["/"]\n'
    assert brief(findings(tree, text)) == [("root-writable", 3)]


def test_unused_variable_is_reported_once(tree: Path) -> None:
    text = """\
[[variable]]
name = "a"
[[variable]]
name = "a"
literal = ["x"]
[[ruleset]]
scoped = ["signal"]
"""
    assert brief(findings(tree, text)) == [("unused-variable", 1)]


def test_nothing_restricted(tree: Path) -> None:
    found = findings(tree, 'variable = [{ name = "a" }]')
    assert brief(found) == [("nothing-restricted", 1), ("unused-variable", 1)]
    assert found[0].severity == "error"


def rule(rights: str, *parents: str) -> str:
    listed = ", ".join(f'"{parent}"' for parent in parents)
    return f"[[path_beneath]]\nallowed_access = [{rights}]\nparent = [{listed}]\n"


def fixed(tree: Path, text: str) -> str:
    """Return ``text`` after every available fix."""
    document = PolicyDocument.parse(text, "policy.toml", "toml")
    for edit in fixes(lint(document.policy, resolve(document.policy, base=str(tree)))):
        document = document.apply(edit)
    return document.text


def test_every_finding_is_described(tree: Path) -> None:
    assert all(each.title and each.why for each in LINTS.values())
    text = rule('"read_file"', "/", "gone", "device")
    for each in findings(tree, text):
        assert each.id in LINTS
        assert each.message.endswith(".")


def test_unhandled_rights(tree: Path) -> None:
    inferred = rule('"read_file"', "directory")
    ((line, severity, message),) = only(findings(tree, inferred), "unhandled-right")
    assert (line, severity) == (1, "warning")
    assert message.startswith("execute, write_file, read_dir, ") and "not restricted on any file" in message
    # refer is always denied, and rights of newer ABIs than any named right do not count.
    assert "refer" not in message and "truncate" not in message
    listed = '[[ruleset]]\nhandled_access_fs = ["read_file"]\n' + inferred
    assert [each[1] for each in only(findings(tree, listed), "unhandled-right")] == ["note"]
    ports = '[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [80]\n'
    ((line, severity, message),) = only(findings(tree, ports), "unhandled-right")
    assert (line, severity) == (1, "warning") and message.startswith("connect_tcp: ")
    assert only(findings(tree, 'abi = 6\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'), "unhandled-right") == []


def test_handled_rights_never_granted(tree: Path) -> None:
    text = '[[ruleset]]\nhandled_access_fs = ["make_char", "execute"]\n' + rule('"execute"', "directory")
    found = only(findings(tree, text), "never-granted")
    assert found == [(1, "note", "make_char: no rule grants it, so it is always denied.")]


def test_groups_without_rights(tree: Path) -> None:
    text = """\
abi = 3
[[ruleset]]
handled_access_fs = ["abi.all"]
scoped = ["abi.all"]
[[net_port]]
allowed_access = ["abi.all"]
port = [443]
"""
    found = only(findings(tree, text), "empty-group")
    assert [each[0] for each in found] == [2, 5]
    assert found[1][2] == (
        "abi.all has no rights at abi = 3: the rule for port 443 has no effect, and no port is restricted."
    )


def test_rights_unknown_to_the_reference(tree: Path) -> None:
    text = 'abi = 10\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\nhandled_access_net = ["bind_udp", "bind_tcp"]\n'
    assert [each[0] for each in only(findings(tree, text), "unknown-to-reference")] == [2]
    loss = unknown_to_reference(parse_policy(text, "policy.toml", "toml"))[0]
    assert loss.message.startswith("bind_udp:")


def test_rights_given_as_numbers(tree: Path) -> None:
    text = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all", 0x60000]
scoped = [4]
[[path_beneath]]
allowed_access = ["read_file", 0x20000, 0x80000]
parent = ["file"]
"""
    found = findings(tree, text, target_abi=3)
    said = "not in any Landlock ABI up to 11"
    assert [(line, each.partition(":")[0]) for line, _, each in only(found, "unnamed-right") if said in each] == [
        (2, "fs.0x20000, fs.0x40000, scope.0x4"),
        (5, "fs.0x80000"),
    ]
    assert "llconfig and Island reject this file" in only(found, "unnamed-right")[0][2]
    # Nothing else is reported about them: whether they apply to files is not known yet.
    assert [each.id for each in found if "0x" in each.message and each.id != "unnamed-right"] == ["never-granted"]
    assert brief(findings(tree, text.replace("0x60000", '"refer"').replace("scoped = [4]\n", ""))) == [
        ("unnamed-right", 4)
    ]


def test_unnamed_right_keeps_an_entry_from_being_covered(tree: Path) -> None:
    rules = """\
[[path_beneath]]
allowed_access = ["read_file", "write_file", "truncate"]
parent = ["file"]
[[path_beneath]]
allowed_access = ["read_file", 0x20000]
parent = ["file"]
"""
    assert not only(findings(tree, rules), "covered-rule")
    assert only(findings(tree, rules.replace(", 0x20000", "")), "covered-rule")


def test_path_covered_by_other_rules(tree: Path) -> None:
    (tree / "directory" / "below").mkdir()
    text = (
        "# Kept.\n"
        + rule('"read_file", "read_dir"', "directory", "file")
        + "# Also kept.\n"
        + rule('"read_file"', "directory/below", "device", "directory/../file")
        + rule('"read_file"', "file")
        + rule('"read_file", "execute"', "directory/below")
    )
    found = only(findings(tree, text), "covered-rule")
    assert [each[0] for each in found] == [8, 11]
    assert "directory/below adds nothing to what other rules grant on directory" in found[0][2]
    after = fixed(tree, text)
    assert '"device", "directory/../file"' in after and after.count('"directory/below"') == 1
    before, later = (resolve(parse_policy(each, "p", "toml"), base=str(tree)) for each in (text, after))
    for place in ("directory", "directory/below", "file", "device"):
        for each in ("read_file", "read_dir", "execute", "write_file"):
            asked = frozenset({each})
            assert Decider(later, 11).file(place, asked)[:2] == Decider(before, 11).file(place, asked)[:2]
    assert only(findings(tree, after), "covered-rule") == []


def test_first_of_equal_rules_is_kept(tree: Path) -> None:
    text = rule('"read_file"', "file", "file") + rule('"read_file"', "file") + rule('"read_file"', "gone", "gone")
    assert fixed(tree, text) == rule('"read_file"', "file") + rule('"read_file"', "gone")


def test_covered_through_a_link_is_not_reported(tree: Path) -> None:
    # On another machine the link may have another target.
    (tree / "link").symlink_to("directory")
    assert only(findings(tree, rule('"read_file"', "directory", "link")), "covered-rule") == []
    assert [each[2] for each in only(findings(tree, rule('"read_file"', "link")), "symlink")] == [
        f"link resolves to {tree}/directory: the rule belongs to that."
    ]


def test_fixing_rights_that_cannot_be_granted_on_a_file(tree: Path) -> None:
    text = '[[ruleset]]\nhandled_access_fs = ["make_reg"]\n' + rule('"read_file", "make_reg"', "file", "device")
    assert fixed(tree, text) == text.replace('"read_file", "make_reg"', '"read_file"')
    # Not if a path is missing: it may become a directory.
    text = rule('"read_file", "make_reg"', "file", "gone")
    assert fixed(tree, text) == text


def test_fixing_an_unused_variable(tree: Path) -> None:
    text = '# Head.\n[[variable]]\nname = "a"\n\n' + rule('"read_file"', "file")
    assert fixed(tree, text) == "# Head.\n\n" + rule('"read_file"', "file")


def test_fixes_build_on_each_other(tree: Path) -> None:
    (tree / "directory" / "a").mkdir()
    text = (
        '[[variable]]\nname = "no"\n[[variable]]\nname = "v"\nliteral = ["a"]\n'
        + rule('"read_file"', "directory/a", "file", "directory/${v}")
        + rule('"read_file", "make_reg"', "device")
        + rule('"read_file"', "directory")
    )
    after = fixed(tree, fixed(tree, text))  # only then is the second variable unused
    policy = parse_policy(after, "p", "toml")
    assert [variable.name for variable in policy.variables] == []
    assert [[parent.template for parent in each.parents] for each in policy.path_rules] == [
        ["file"], ["device"], ["directory"],
    ]  # fmt: skip
    assert policy.handled_fs == {"read_file", "make_reg"}
    assert only(findings(tree, after), "covered-rule") == []


def test_only_the_widest_reach_is_reported(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tree / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for rights, parent, id_ in (
        ('"read_file"', "/", "root-readable"),
        ('"write_file", "truncate", "read_file"', "/", "root-writable"),
        ('"read_file"', str(home), "home-readable"),
        ('"write_file", "truncate"', str(tree), "home-writable"),
        ('"read_file"', f"{home}/.ssh", "credentials"),
        ('"read_file"', "/proc", "system-readable"),
        ('"write_file", "truncate"', "/dev", "system-writable"),
    ):
        reach = [each for each in findings(tree, rule(rights, parent)) if each.id.partition("-")[0] in
                 ("root", "home", "system", "credentials")]  # fmt: skip
        assert [each.id for each in reach] == [id_]
        assert ("/.ssh" in reach[0].message) == ("read_file" in rights and parent != "/proc")
    # A file named explicitly, and one that cannot be read, is not reported.
    (home / ".ssh" / "known_hosts").touch()
    assert only(findings(tree, rule('"read_file"', f"{home}/.ssh/known_hosts")), "credentials") == []
    assert only(findings(tree, rule('"execute"', f"{home}/.ssh")), "credentials") == []


def test_write_and_execute(tree: Path) -> None:
    (tree / "directory" / "below").mkdir()
    text = rule('"write_file", "truncate"', "directory") + rule('"execute", "read_file"', "directory/below", "file")
    found = only(findings(tree, text), "write-and-execute")
    assert found == [(6, "note", "directory/below can be written and executed.")]


def test_make_without_write(tree: Path) -> None:
    handled = '[[ruleset]]\nhandled_access_fs = ["write_file"]\n'
    assert brief(findings(tree, handled + rule('"make_reg"', "directory"))) == [("make-without-write", 5)]
    assert brief(findings(tree, handled + rule('"make_reg"', "directory") + rule('"write_file"', str(tree)))) == []


def test_policy_that_can_be_changed_from_inside(tree: Path) -> None:
    file = tree / "directory" / "own.toml"
    for rights, how in (
        ('"write_file", "truncate"', "write"),
        ('"make_reg", "remove_file"', "replace"),
    ):
        text = '[[ruleset]]\nhandled_access_fs = ["read_file"]\n' + rule(rights, str(tree))
        file.write_text(text, encoding="utf-8")
        policy = parse_policy(text, str(file), "toml")
        found = only(lint(policy, resolve(policy)), "policy-writable")
        assert [(each[0], each[1]) for each in found] == [(5, "warning")]
        assert f"can {how} its file" in found[0][2]
    text = rule('"make_reg"', str(tree))
    policy = parse_policy(text, str(file), "toml")
    assert only(lint(policy, resolve(policy)), "policy-writable") == []


REFER = ("refer-denied", "refer-alone")


def refer(found: tuple[Finding, ...]) -> list[tuple[str, str, int]]:
    return [(each.id, each.severity, each.location.line) for each in found if each.id in REFER]


def handling(*rights: str) -> str:
    return f"[[ruleset]]\nhandled_access_fs = [{', '.join(rights)}]\n"


def test_no_move_between_directories(tree: Path) -> None:
    # A rule grants making and removing, so moving is meant to work.
    warned = [("refer-denied", "warning", 1)]
    assert refer(findings(tree, rule('"make_reg", "remove_file"', "directory"))) == warned
    # Neither is restricted, or another rule grants refer where nothing can be made.
    assert refer(findings(tree, handling('"make_block", "make_char"'))) == [("refer-denied", "note", 1)]
    assert refer(findings(tree, handling('"execute"') + rule('"execute"', "/usr"))) == [("refer-denied", "note", 1)]
    text = "abi = 6\n" + handling('"abi.all"') + rule('"abi.read_execute"', "/usr")
    text += rule('"make_reg", "remove_file"', "directory")
    assert refer(findings(tree, text)) == [("refer-denied", "note", 7)]  # probably intended, as of all that is handled
    # Where nothing can be renamed at all, other findings say so. Without filesystem rights, nothing is denied.
    assert refer(findings(tree, handling('"make_reg", "remove_file"'))) == [("refer-denied", "note", 1)]  # directories
    assert refer(findings(tree, handling('"remove_dir", "remove_file"'))) == []
    assert refer(findings(tree, '[[ruleset]]\nscoped = ["signal"]\n')) == []


def test_moves_that_the_kernel_allows(tree: Path) -> None:
    # What is not handled needs no rule.
    assert refer(findings(tree, handling('"make_block", "make_char", "refer"') + rule('"refer"', "/"))) == []
    assert refer(findings(tree, rule('"refer"', "directory"))) == []
    parts = rule('"refer", "make_reg"', "directory") + rule('"refer", "remove_file"', "/usr")
    assert refer(findings(tree, parts)) == []


def test_refer_without_effect(tree: Path) -> None:
    text = handling(
        '"make_reg"', '"make_sym"', '"make_fifo"', '"make_sock"', '"make_block"', '"make_char"', '"make_dir"'
    )
    alone = text + rule('"refer"', "directory")
    assert refer(findings(tree, alone)) == [("refer-alone", "warning", 3)]
    # With make_reg a file can be linked there, and with a rule on the same directory it can be moved there.
    assert refer(findings(tree, alone + rule('"make_reg"', "directory"))) == []
    # A group includes refer without anybody asking for it.
    assert refer(findings(tree, "abi = 6\n" + text + rule('"abi.read_execute"', "directory"))) == []


def test_only_devices_cannot_be_overwritten(tree: Path) -> None:
    text = handling('"truncate"') + rule('"write_file"', "/dev/pts", "/dev/tty", "directory/terminals")
    terminals = tree / "directory" / "terminals"
    terminals.mkdir()
    # A file may be made in an empty directory, and an ordinary file lies in one of the next kind.
    assert [each[0] for each in only(findings(tree, text), "write-without-truncate")] == [5]
    os.mkfifo(terminals / "pipe")
    assert [each[0] for each in only(findings(tree, text), "write-without-truncate")] == [5]
    devices = text.replace(', "directory/terminals"', "")
    assert only(findings(tree, devices), "write-without-truncate") == []


def test_what_a_rule_further_down_completes(tree: Path) -> None:
    (tree / "directory" / "below").mkdir()
    text = handling('"truncate"') + rule('"write_file"', "directory") + rule('"truncate"', "directory/below")
    ((_, _, message),) = only(findings(tree, text), "write-without-truncate")
    assert message.endswith(f"is denied, except beneath {tree}/directory/below.")
    text = rule('"execute"', "directory") + rule('"read_file"', "directory/below")
    assert only(findings(tree, text), "execute-without-read_file") == []


def test_time_grows_linearly_with_rules(tree: Path) -> None:
    def check(size: int) -> None:
        text = "".join(rule('"read_file"', f"directory/{number}", "directory") for number in range(size))
        assert len(only(findings(tree, text), "covered-rule")) == size - 1

    assert grows_linearly(check, 50)


@pytest.mark.root
def test_mounts(tree: Path) -> None:
    """Lint a bind mount and the layers of an overlay, in a separate mount namespace."""
    script = """
import os, sys
from editor.analysis.lint.engine import lint
from editor.policy.parse import parse_policy
from editor.evaluation.resolve import resolve
for path in ("lower", "merged"):
    policy = parse_policy(f'path_beneath = [{{allowed_access = ["read_file"], parent = ["{path}"]}}]', "p", "toml")
    print(path, *(each.id for each in lint(policy, resolve(policy)) if "mount" in each.id or "layer" in each.id))
"""
    for name in ("lower", "upper", "work", "merged", "bound"):
        (tree / name).mkdir()
    mount = (
        "mount -t tmpfs none upper && mkdir upper/u upper/w && "
        "mount -t overlay none -o lowerdir=lower,upperdir=upper/u,workdir=upper/w merged"
    )
    layers = mount.replace("lowerdir=lower", f"lowerdir={tree}/lower")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{layers} && exec "$@"', "sh", sys.executable, "-c", script],
        cwd=tree, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    if "unknown filesystem" in done.stderr or "No such device" in done.stderr:
        pytest.skip("this kernel has no overlay filesystem")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["lower overlay-layer", "merged"]
    bind = 'mount --bind directory bound && cd bound && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", bind, "sh", sys.executable, "-c",
         script.replace('("lower", "merged")', '(".",)')],
        cwd=tree, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, ". bind-mount\n", "")


def test_rules_on_one_process(tree: Path) -> None:
    """Every process has another /proc/self: one finding a rule, none where all processes are covered anyway."""
    (tree / "own").symlink_to("/proc/self")
    rule = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = [{}]\n'
    for parents, severities in (
        ('"/proc/self"', ["warning"]),
        ('"/proc/thread-self", "/proc/self/", "/dev/fd"', ["warning"]),
        ('"/proc/mounts"', ["warning"]),
        ('"own/status"', ["warning"]),
        ('"/proc/self/exe"', ["warning"]),
        ('"/dev/stdin", "/proc/self/fd/1", "own/cwd"', ["note"]),
        ('"/proc/self", "/dev/stdin"', ["warning", "note"]),
        ('"/proc/1", "/dev/null", "file"', []),
    ):
        found = only(findings(tree, rule.format(parents)), "own-process")
        assert [(line, severity) for line, severity, _ in found] == [(1, each) for each in severities], parents
    ((_, _, message),) = only(findings(tree, rule.format('"own", "/proc/self"')), "own-process")
    assert message == (
        "own, /proc/self belongs to one process, the command itself: the processes that it starts have another, and "
        "are denied. Keep it if that is enough, or grant the rights on /proc, for all processes."
    )
    assert only(findings(tree, rule.format('"/proc/self"') + rule.format('"/proc"')), "own-process") == []


def test_variable_without_a_value(tree: Path) -> None:
    text = '[[variable]]\nname = "v"\n' + rule('"read_file"', "${v}/x")
    assert [each[:2] for each in only(findings(tree, text), "empty-variable")] == [(1, "warning")]
    assert only(findings(tree, text + '[[variable]]\nname = "v"\nliteral = ["directory"]\n'), "empty-variable") == []


def test_file_of_which_no_right_is_left(tree: Path) -> None:
    text = rule('"make_reg"', "file", "directory") + rule('"read_file", "make_dir"', "device")
    ((line, severity, message),) = only(findings(tree, text), "empty-on-file")
    assert (line, severity) == (3, "note") and "llconfig does not start the command" in message
    # Rights of all rules on one path count together, as there.
    assert only(findings(tree, text + rule('"read_file"', "./file", "file")), "empty-on-file") == []


def test_abi_beyond_the_reference(tree: Path) -> None:
    text = '[[ruleset]]\nhandled_access_fs = ["abi.all"]\nhandled_access_net = ["abi.all"]\n'
    (found,) = only(findings(tree, "abi = 11\n" + text), "abi-beyond-reference")
    assert "abi = 11 as the highest ABI of its build" in found[2] and "resolve_unix" in found[2]
    # Up to ABI 8 the groups are the same there, and without groups the number does nothing.
    assert only(findings(tree, "abi = 8\n" + text), "abi-beyond-reference") == []
    assert only(findings(tree, "abi = 11\n" + handling('"read_file"')), "abi-beyond-reference") == []
