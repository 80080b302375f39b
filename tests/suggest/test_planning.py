"""Proposals: each edit once, whole, and such that following all of them once is enough."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, GrantPath, GrantPort, SetScope
from editor.evaluation.resolve import resolve
from editor.sandbox.runner import RunRequest, start
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest.plan import Plan, Proposal
from editor.suggest.planning import make_plan, plan_of

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
_MAKING = '[[path_beneath]]\nallowed_access = {rights}\nparent = ["{place}"]\n'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """Return a directory that ``furnish`` empties before each run."""
    path = os.fspath(tmp_path / "place")
    furnish(path)
    yield path
    shutil.rmtree(path)


def furnish(place: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(os.path.join(place, "old"))
    for name in ("file", "old/file"):
        with open(os.path.join(place, name), "w", encoding="ascii") as file:
            file.write("content\n")


def run(policy: PolicyDocument, script: str, place: str, mode: str = "enforce") -> Report:
    resolved = resolve(policy.policy, base=place)
    command = ("/usr/bin/python3", "-I", "-c", script)
    request = RunRequest(resolved, command, cwd=place, env=ENVIRONMENT, timeout=60)
    return start(request._replace(mode="observe") if mode == "observe" else request).wait()


def proposed(policy: PolicyDocument, report: Report, place: str) -> tuple[Proposal, ...]:
    return make_plan(report.accesses, resolve(policy.policy, base=place)).proposals


# Each makes something and then does with it what the policy denies. With the rights that the policy grants on the
# directory, and the one that must be proposed for it.
BORN = {
    "truncate through the descriptor": (
        ["write_file", "make_reg"],
        "import os; os.ftruncate(os.open('new', os.O_RDWR | os.O_CREAT), 0)",
        "truncate",
    ),
    "truncate by name": (
        ["write_file", "make_reg"],
        "import os; open('new', 'w'); os.truncate('new', 0)",
        "truncate",
    ),
    "read it in another process, by another spelling": (
        ["write_file", "make_reg"],
        "import os\nopen('new', 'w')\nos.fork() or (os.chdir('old'), open('../../place//new'))\n"
        "assert not os.wait()[1]",
        "read_file",
    ),
    "renamed into place": (
        ["write_file", "make_reg", "remove_file"],
        "import os; open('temporary', 'w'); os.rename('temporary', 'new'); open('new')",
        "read_file",
    ),
    "an older file under a new name": (
        ["write_file", "make_reg", "remove_file"],
        "import os; os.rename('file', 'new'); open('new')",
        "read_file",
    ),
    "linked": (
        ["write_file", "make_reg", "remove_file"],
        "import os; open('temporary', 'w'); os.link('temporary', 'new'); os.unlink('temporary'); open('new')",
        "read_file",
    ),
    "in a directory that is made, too": (
        ["write_file", "make_reg", "make_dir"],
        "import os; os.makedirs('a/b'); open('a/b/new', 'w'); open('a/b/new')",
        "read_file",
    ),
    "make something in a directory that is made": (
        ["make_dir"],
        "import os; os.mkdir('a'); open('a/new', 'w')",
        "make_reg",
    ),
    "list a directory that is made": (["make_dir"], "import os; os.mkdir('a'); os.listdir('a')", "read_dir"),
    "linked from a nameless file": (
        ["write_file", "make_reg"],
        "import os; fd = os.open('.', os.O_TMPFILE | os.O_WRONLY)\n"
        "os.link(f'/proc/self/fd/{fd}', 'new', src_dir_fd=os.open('/', 0)); os.truncate('new', 0)",
        "truncate",
    ),
    "a descriptor passed to another process": (
        ["write_file", "make_reg"],
        "import os, socket; ours, theirs = socket.socketpair(); fd = os.open('new', os.O_RDWR | os.O_CREAT)\n"
        "socket.send_fds(ours, [b'x'], [fd]); os.close(fd)\n"
        "os.fork() or os.ftruncate(socket.recv_fds(theirs, 1, 1)[1][0], 0)\nassert not os.wait()[1]",
        "truncate",
    ),
    "through a link": (
        ["write_file", "make_reg", "make_sym"],
        "import os; os.symlink('new', 'link'); open('link', 'w'); os.truncate('link', 0)",
        "truncate",
    ),
    "a pipe": (["make_fifo"], "import os; os.mkfifo('new'); os.open('new', os.O_RDWR)", "write_file"),
    "replace an older file": (
        ["write_file", "make_reg", "remove_file"],
        "import os; os.unlink('file'); open('file', 'w'); open('file')",
        "read_file",
    ),
    "refused after it was made": (
        ["make_reg"],
        "import os\ntry: open('new', 'a')\nexcept OSError: open('new', 'a')",
        "write_file",
    ),
    "an older file in a directory that is renamed": (
        ["make_dir", "remove_dir"],
        "import os; os.rename('old', 'new'); open('new/file')",
        "read_file",
    ),
}


@pytest.mark.program("/usr/bin/python3")
@pytest.mark.parametrize("name", BORN)
def test_what_the_run_makes_is_granted_where_it_is_made(name: str, place: str) -> None:
    granted, script, missing = BORN[name]
    handled = sorted({*granted, missing})
    rights = str(granted).replace("'", '"')
    text = f"abi = 3\n[[ruleset]]\nhandled_access_fs = {handled}\n".replace("'", '"')
    text += _MAKING.format(rights=rights, place=place)
    text += '[[path_beneath]]\nallowed_access = ["read_file", "read_dir"]\nparent = ["/usr", "/etc", "/proc"]\n'
    if missing not in ("read_file", "read_dir"):
        text = text[: text.rindex("[[path_beneath]]")]
    policy = PolicyDocument.parse(text, "policy.toml", "toml")
    furnish(place)
    report = run(policy, script, place)
    assert report.exit_code != 0
    (proposal,) = proposed(policy, report, place)
    assert proposal.edits == (GrantPath(place, frozenset({missing})),)
    assert all(access.made_in == place and access.to_json()["born"] for access in proposal.accesses)
    policy = policy.apply(*proposal.edits)
    furnish(place)
    report = run(policy, script, place)
    # A program may go on: what follows is denied next, but never this again.
    assert not any(missing in access.missing for access in report.accesses if access.verdict == "denied")


@pytest.mark.program("/usr/bin/python3")
@pytest.mark.parametrize(
    "script",
    [
        "open('file')",
        "open('old/../old/file'); open('new', 'w')",
        "import os; os.rename('file', 'aside'); os.rename('aside', 'file'); open('file')",
        "import os; os.link('file', 'new'); open('file')",
    ],
)
def test_what_was_there_before_is_granted_itself(script: str, place: str) -> None:
    text = """abi = 3
[[ruleset]]
handled_access_fs = ["read_file"]
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr", "/etc", "/proc"]
"""
    policy = PolicyDocument.parse(text, "policy.toml", "toml")
    for mode in ("enforce", "observe"):
        furnish(place)
        (proposal,) = proposed(policy, run(policy, script, place, mode), place)
        (edit,) = proposal.edits
        assert isinstance(edit, AddPathRule)
        assert edit.paths in ((f"{place}/file",), (f"{place}/old/file",))
        assert "born" not in proposal.accesses[0].to_json()


@pytest.mark.program("/usr/bin/python3")
def test_equal_proposals_are_one(place: str) -> None:
    """Five processes read their own files in /proc; one file is read, written and truncated in three calls."""
    text = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/usr", "/etc", "/lib"]\n'
    handled = 'abi = 3\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'
    policy = PolicyDocument.parse(handled + text, "policy.toml", "toml")
    script = """
import os
def attempt(what, *words):
    try: what(*words)
    except OSError: pass
for _ in range(5):
    if not os.fork():
        attempt(open, f'/proc/{os.getpid()}/status')
        os._exit(0)
    os.wait()
attempt(open, 'file')
attempt(open, 'file', 'a')
attempt(os.truncate, 'file', 0)
"""
    found = proposed(policy, run(policy, script, place), place)
    assert len(found) == len({(type(edit), edit[0]) for each in found for edit in each.edits})
    whole = {edit[0]: (edit, each) for each in found for edit in each.edits}
    rights = frozenset({"read_file", "write_file", "truncate"})
    assert whole[f"{place}/file",][0] == AddPathRule((f"{place}/file",), rights, "written: output")
    assert len(whole[f"{place}/file",][1].accesses) == 3
    edit, proposal = whole["/proc",]
    assert edit == AddPathRule(("/proc",), frozenset({"read_file"}), "what it reads in /proc")
    assert len(proposal.accesses) == 5
    assert proposal.sentence.startswith("Grant read_file on /proc and everything beneath it. A rule for /proc/")
    assert proposal.sentence.endswith(
        "and 2 others themselves would not last, and one for /proc/self would cover the command's own process alone."
    )


def access(path: str | None, *rights: str, port: int | None = None, reason: str = "") -> Access:
    missing = frozenset(rights)
    return Access("denied", missing, missing, path, path, port, "openat", "EACCES", "cat", 1, 1, reason=reason)


def test_ports_scopes_and_what_no_edit_can_allow() -> None:
    policy = PolicyDocument.parse("abi = 6\n[[ruleset]]\nscoped = ['signal']\n", "policy.toml", "toml")
    accesses = (
        access(None, reason="Landlock has no right for mounts"),
        access("/etc/a", reason="Landlock has no right for mounts"),
        access(None, "connect_tcp", port=80),
        access(None, "bind_tcp", port=80),
        access(None, "signal"),
        access(None, "signal"),
    )
    port, scope, hopeless = make_plan(accesses, resolve(policy.policy)).proposals
    assert port.edits == (GrantPort(80, frozenset({"connect_tcp", "bind_tcp"})),)
    assert port.sentence == "Grant bind_tcp, connect_tcp on port 80, for any address."
    assert (scope.edits, len(scope.accesses)) == ((SetScope("signal", False),), 2)
    assert (hopeless.edits, len(hopeless.accesses)) == ((), 2)
    assert hopeless.sentence == "openat, /etc/a: No rule can allow this: Landlock has no right for mounts."


def test_denials_of_another_layer_are_not_answered() -> None:
    policy = PolicyDocument.parse("abi = 1\n[[ruleset]]\nhandled_access_fs = ['read_file']\n", "policy.toml", "toml")
    resolved = resolve(policy.policy)
    inner = access("/etc/hostname", "read_file")._replace(layer=2)
    assert make_plan((inner,), resolved, 1) == Plan(())
    assert [each.edits for each in make_plan((inner,), resolved, 2).proposals] == [
        (AddPathRule(("/etc/hostname",), frozenset({"read_file"}), "configuration read"),)
    ]


TLS = """abi = 3
[[ruleset]]
handled_access_fs = ["read_file", "read_dir"]
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["/usr/lib", "/usr/bin", "/etc/ld.so.cache", "/proc"]
"""


@pytest.mark.program("/usr/bin/python3")
def test_a_promise_takes_the_part_that_it_holds(place: str) -> None:
    policy = PolicyDocument.parse(TLS, "policy.toml", "toml")
    resolved = resolve(policy.policy)
    script = "import ssl; assert ssl.create_default_context().get_ca_certs(); open('file')"
    furnish(place)
    observed = run(policy, script, place, "observe")
    for plan in (
        make_plan(observed.accesses, resolved, fold="exact"),
        make_plan(observed.accesses, resolved, promises=False),
    ):
        assert "promise" not in {each.kind for each in plan.proposals}
    plan = make_plan(observed.accesses, resolved)
    (promise,) = [each for each in plan.proposals if each.kind == "promise"]
    assert promise.sentence.startswith("Add the promise tls: ")
    assert promise.purpose == "promise: tls"
    assert all(isinstance(edit, AddPathRule) and edit.comment == "promise: tls" for edit in promise.edits)
    assert len(promise.accesses) >= 2
    asked = [id(access) for each in plan.proposals for access in each.accesses]
    assert len(asked) == len(set(asked)), "each access is answered once"
    for proposal in plan.needed:
        for edit in proposal.edits:
            policy = policy.apply(edit)
    furnish(place)
    report = run(policy, script, place)
    assert report.exit_code == 0
    assert plan_of([report], resolve(policy.policy)).needed == ()


def test_a_policy_in_use_is_protected_from_what_it_allows_to_write(place: str) -> None:
    furnish(place)
    rows = [access(place, "make_reg"), access(f"{place}/file", "read_file")]
    for text, asks in ((TLS, True), (TLS[: TLS.index("[[path_beneath]]")], False)):
        file = os.path.join(place, "policy.toml")
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        plan = make_plan(rows, resolve(PolicyDocument.parse(text, file, "toml").policy), fold="exact")
        assert [bool(each.confirm) for each in plan.proposals] == [asks, False]
