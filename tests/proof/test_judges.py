"""The judges themselves: what they parse, and that they find differences."""

from editor.sandbox import syscalls
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.report import Access
from editor.suggest.logs.strace_lines import Call, calls, split
from tests.proof import differences, records, strace_log
from tests.proof.jobs import JOBS
from tests.proof.stage import Rules
from tests.proof.strace_log import Seen

_JOB = JOBS[0]
_RULES = Rules(frozenset({"read_file", "write_file", "make_reg"}), {"/a": frozenset({"read_file"}), "/b": frozenset()})
_NUMBERS = syscalls.numbers(syscalls.machine().native)


def _row(**values: object) -> Access:
    plain = Access(
        verdict="denied", rights=frozenset({"read_file"}), missing=frozenset({"read_file"}), path="/c/x",
        object_path="/c/x", port=None, syscall="openat", errno="EACCES", process="cat", pid=7, times=1,
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def _denial(serial: int = 1, **values: object) -> Denial:
    plain = Denial(
        serial=serial, domain="1", blockers=frozenset({"read_file"}), path="/c/x", dev="", ino=0, port=None, pid=7,
        comm="cat", call=_NUMBERS["openat"], result=-13,
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def test_equal_rows_and_records() -> None:
    assert records.compare([_row(times=2)], [_denial(1), _denial(2)], _RULES) == ((), ())


def test_any_difference_in_a_record_is_found() -> None:
    for other in (
        {"blockers": frozenset({"write_file"})},
        {"blockers": frozenset({"read_file", "write_file"})},
        {"path": "/c/y"},
        {"path": None, "port": 80},
        {"call": _NUMBERS["truncate"]},
        {"result": -1},
        {"comm": "dog"},
    ):
        found = records.compare([_row()], [_denial(**other)], _RULES)
        assert len(found.unseen) == 1, other
        assert len(found.unrecorded) == 1, other


def test_counts_must_match() -> None:
    assert records.compare([_row(times=2)], [_denial()], _RULES).unrecorded != ()
    assert records.compare([_row()], [_denial(1), _denial(2)], _RULES).unseen != ()


def test_records_with_names_of_threads() -> None:
    of_thread = _denial(2, comm="reader")
    assert records.compare([_row(times=2)], [_denial(1), of_thread], _RULES, threads=True) == ((), ())
    assert records.compare([_row()], [_denial(1), of_thread], _RULES, threads=True).unseen != ()
    other = _row(process="dog", path="/c/y", object_path="/c/y")
    both = [_denial(comm="dog"), _denial(2, comm="dog", path="/c/y")]
    found = records.compare([_row(), other], both, _RULES, threads=True)
    assert len(found.unseen) == len(found.unrecorded) == 1, "the name of another process is not a thread's"


def test_rename_that_would_gain_rights() -> None:
    """The kernel logs everything that each directory lacks, even for one that lacks nothing requested."""
    moved = {"call": _NUMBERS["rename"], "result": -18}
    row = _row(
        rights=frozenset({"remove_file", "refer"}), missing=frozenset({"refer"}), object_path="/a", syscall="rename",
        errno="EXDEV",
    )  # fmt: skip
    all_of_a, all_of_b = frozenset({"write_file", "make_reg", "refer"}), _RULES.handled_fs | {"refer"}
    both = [_denial(blockers=all_of_a, path="/a", **moved), _denial(blockers=all_of_b, path="/b", **moved)]
    assert records.compare([row], both, _RULES) == ((), ())
    assert records.compare([row], [both[1]], _RULES).unrecorded != ()
    less = _denial(blockers=frozenset({"make_reg"}), path="/b", **moved)
    assert records.compare([row], [both[0], less], _RULES).unseen != ()


def test_arguments_are_split_at_top_level_commas() -> None:
    assert split(r'AT_FDCWD</a, b>, "x\", y", {a=1, b=[2, 3]}, 0') == (
        "AT_FDCWD</a, b>", r'"x\", y"', "{a=1, b=[2, 3]}", "0",
    )  # fmt: skip


def test_parsing_log_lines() -> None:
    text = (
        '7 openat(AT_FDCWD</w>, "in/t" <unfinished ...>\n'
        '8 mkdir("d", 0777) = 0\n'
        "7 <... openat resumed>, O_RDONLY) = 3</w/in/t>\n"
        '8 unlink("n\\303\\244") = -1 ENOENT (No such file or directory)\n'
        "8 +++ exited with 0 +++\n"
    )
    assert list(calls(text.splitlines())) == [
        Call(7, "openat", ("AT_FDCWD</w>", '"in/t"', "O_RDONLY"), "3", ""),
        Call(8, "mkdir", ('"d"', "0777"), "0", ""),
        Call(8, "unlink", ('"n\\303\\244"',), "-1", "ENOENT"),
    ]


def test_names_are_made_absolute() -> None:
    text = (
        '7 openat(AT_FDCWD</w>, "before", O_RDONLY) = 3</w/before>\n'
        "7 landlock_restrict_self(3<anon_inode:landlock-ruleset>, 0) = 0\n"
        "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8\n"
        '8 chdir("sub") = 0\n'
        '8 mkdir("d", 0777) = 0\n'
        '7 unlink("./n\\303\\244") = -1 ENOENT (No such file or directory)\n'
        '7 rename("a", "/b") = 0\n'
        '7 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        "7 ftruncate(4</w/gone>(deleted), 0) = 0\n"
        "7 utimensat(4</w/kept>, NULL, NULL, 0) = 0\n"
        "7 openat(AT_FDCWD</w>, 0x1, O_RDONLY) = -1 EFAULT (Bad address)\n"
    )
    log = strace_log.read(text, "/w")
    assert log.seen == {
        Seen("mkdir", "/w/sub/d", ""), Seen("unlink", "/w/nä", "ENOENT"), Seen("connect", "port 80", ""),
        Seen("ftruncate", "/w/gone", ""), Seen("utimensat", "/w/kept", ""),
    }  # fmt: skip
    assert log.pairs == {("rename", "/w/a", "/b", "")}


def test_differences_are_found_in_both_directions() -> None:
    log = strace_log.Log(
        frozenset({Seen("openat", "/c/x", "EACCES")}), frozenset({("rename", "/a/x", "/b/x", "EXDEV")})
    )
    moved = [
        _row(path="/a/x", syscall="rename", errno="EXDEV"),
        _row(path="/b/x", syscall="rename", errno=None, verdict="allowed"),
    ]
    assert differences.compare([_row(), *moved], log, _JOB) == (frozenset(), frozenset())
    assert differences.compare([_row(), moved[1]], log, _JOB) != (frozenset(), frozenset())
    for other in ({"path": "/c/y"}, {"errno": None}, {"errno": "EPERM"}, {"syscall": "truncate"}):
        found = differences.compare([_row(**other), *moved], log, _JOB)
        assert len(found.only_strace) == len(found.only_paddock) == 1, other
    assert differences.compare([_row(), *moved, _row(path="/z")], log, _JOB).only_paddock != frozenset()
    assert differences.compare(moved, log, _JOB).only_strace != frozenset()
