"""A run that asks: calls that the policy denies wait, and do as answered."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from editor.sandbox.events import Answer, Choice, Question
from editor.sandbox.verdicts.report import Report
from tests.sandbox.harness import (
    ALL_FS,
    ALL_NET,
    ALL_SCOPES,
    CALLER,
    REPOSITORY,
    alive,
    everything,
    policy,
    require_abi,
    start,
    system_rules,
)
from tests.sandbox.harness import call as call_enforced
from tests.sandbox.supervisor.asking import ask, follow

_PYTHON = (sys.executable, "-I", "-S", "-c")


def reading() -> dict[str, Iterable[str]]:
    """Return rules that let programs start, and nothing else of use."""
    return {**system_rules(), "/dev": ALL_FS}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory that everybody may use, with three files that no rule names."""
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text(f"{name}\n")
    return tmp_path


def test_each_denial_does_as_answered(place: Path) -> None:
    answers: dict[str, Choice] = {"one": "allow", "two": "deny", "three": "allow-for-run"}
    words = [str(place / name) for name in (*answers, "three", "one")]

    def answer(question: Question) -> Choice:
        return answers[os.path.basename(question.accesses[0].object_path or "")]

    asked = ask(policy(reading()), answer, "cat", *words)
    assert asked.outcome.out == "one\nthree\nthree\none\n"
    assert asked.outcome.report.exit_code == 1
    assert b"two: Permission denied" in asked.outcome.output["stderr"]
    assert [os.path.basename(str(each)) for each in asked.objects] == ["one", "two", "three", "one"]
    assert asked.withdrawn == []
    rows = {(access.object_path, access.errno) for access in asked.outcome.rows(verdict="denied")}
    assert rows == {(words[0], None), (words[1], "EACCES"), (words[2], None)}
    assert all(access.predicted for access in asked.outcome.report.accesses)


def test_question_shows_access_and_process_tree(place: Path) -> None:
    script = f"(cat {place}/one; true); true"
    asked = ask(policy(reading()), lambda _: "deny", "sh", "-c", script)
    (question,) = asked.questions
    (access,) = question.accesses
    assert (access.path, access.missing, access.syscall, access.errno) == (
        f"{place}/one", frozenset({"read_file"}), "openat", "EACCES",
    )  # fmt: skip
    assert [name for _, name in question.tree] == ["cat", "sh", "sh"]
    assert question.tree[0][0] == access.pid


def test_deny_always_and_kill(place: Path) -> None:
    script = f"cat {place}/one; cat {place}/one; echo on; cat {place}/two; echo not reached"

    def answer(question: Question) -> Choice:
        return "deny-always" if str(question.accesses[0].object_path).endswith("one") else "kill"

    asked = ask(policy(reading()), answer, "sh", "-c", script)
    assert asked.outcome.out == "on\n"
    assert asked.outcome.report.exit_code == 128 + signal.SIGKILL
    assert len(asked.questions) == 2, "the second open of the first file is answered already"
    assert [each.times for each in asked.outcome.rows(object_path=f"{place}/one")] == [2]


def test_grant_counts_from_then_on(place: Path) -> None:
    granted = policy({**reading(), str(place): ("read_file",)})
    asked = ask(policy(reading()), lambda _: Answer("grant", (granted,)), "cat", f"{place}/one", f"{place}/two")
    assert asked.outcome.out == "one\ntwo\n"
    assert [question.accesses[0].object_path for question in asked.questions] == [f"{place}/one"]
    (row,) = asked.outcome.rows(object_path=f"{place}/two")
    assert row.verdict == "allowed"


def test_nothing_is_asked_about_what_fails_anyway(place: Path) -> None:
    code = f"""if 1:
        import os
        def attempt(name, *arguments):
            try: getattr(os, name)(*arguments)
            except OSError as error: print(name, error.errno)
        attempt("open", "{place}/missing", os.O_RDONLY)
        attempt("open", "{place}/one", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        attempt("open", "{place}/one/below", os.O_RDONLY)
        attempt("open", "{place}", os.O_WRONLY)
        attempt("mkdir", "{place}/one")
        attempt("unlink", "{place}/missing")
        attempt("rename", "{place}/missing", "{place}/other")
        attempt("execv", "{place}/missing", ["x"])
        attempt("kill", 2**22 + 1, 0)
    """
    asked = ask(policy(reading(), scoped=ALL_SCOPES), lambda _: "deny", *_PYTHON, code)
    assert asked.questions == []
    expected = "open 2 open 17 open 20 open 21 mkdir 17 unlink 2 rename 2 execv 2 kill 3"
    assert asked.outcome.out.split() == expected.split()


def test_nothing_is_asked_about_what_permissions_refuse(place: Path) -> None:
    # Root passes file permissions.
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    (place / "one").chmod(0)
    (place / "closed").mkdir()
    (place / "closed" / "file").write_text("")
    (place / "closed").chmod(0)
    script = "cat one closed/file; ls closed; echo >closed/new; rm closed/file; mv closed/file new; kill -0 1"
    try:
        asked = ask(policy(reading(), scoped=ALL_SCOPES), lambda _: "deny", *drop, "sh", "-c", script, cwd=str(place))
    finally:
        (place / "closed").chmod(0o700)
    about = [access.path or "" for question in asked.questions for access in question.accesses]
    assert [path for path in about if path.startswith(str(place))] == []
    assert {access.verdict for access in asked.outcome.rows(path=f"{place}/one")} == {"failed"}


def calls_on(place: Path, port: int) -> list[list[object]]:
    """Return calls that Landlock has a say in, and some that fail before."""
    at, read = -100, os.O_RDONLY
    (place / "below").mkdir()
    (place / "below" / "file").write_text("")
    address = {"hex": (socket.AF_INET.to_bytes(2, "little") + port.to_bytes(2, "big") + bytes([127, 0, 0, 1])).hex()}
    return [
        ["openat", at, f"{place}/one", read, 0],
        ["openat", at, f"{place}", read | os.O_DIRECTORY, 0],
        ["openat", at, f"{place}/missing", read, 0],
        ["openat", at, f"{place}/new", os.O_CREAT | os.O_WRONLY, 0o600],
        ["openat", at, f"{place}/two", os.O_TRUNC | os.O_RDWR, 0],
        ["truncate", f"{place}/one", 0],
        ["mkdirat", at, f"{place}/made", 0o700],
        ["mkdirat", at, f"{place}/below", 0o700],
        ["symlinkat", "one", at, f"{place}/link"],
        ["unlinkat", at, f"{place}/one", 0],
        ["unlinkat", at, f"{place}/below", 0x200],
        ["renameat2", at, f"{place}/one", at, f"{place}/uno", 0],
        ["renameat2", at, f"{place}/one", at, f"{place}/below/one", 0],
        ["linkat", at, f"{place}/one", at, f"{place}/below/one", 0],
        ["linkat", at, f"{place}/one", at, f"{place}/below/file", 0],
        ["execve", f"{place}/one", 0, 0],
        ["socket_tcp"],
        ["connect", {"result": 16}, {"hex": address["hex"] + "00" * 8}, 16],
        ["bind", {"result": 16}, {"hex": address["hex"] + "00" * 8}, 16],
        ["kill", os.getpid(), 0],
        ["kill", {"here": True}, 0],
        ["ptrace", 16, os.getpid(), 0, 0],
        ["mount", "none", f"{place}/below", "tmpfs", 0, 0],
    ]


def test_denying_everything_is_like_enforcing(place: Path) -> None:
    require_abi(7)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        calls = calls_on(place, listening.getsockname()[1])
        resolved = policy(reading(), net=ALL_NET, scoped=ALL_SCOPES)
        results, enforced = call_enforced(resolved, *calls)
        command = (sys.executable, "-I", "-S", CALLER, json.dumps(calls))
        asked = ask(resolved, lambda _: "deny", *command)
    assert json.loads(asked.outcome.out) == results

    def denials(report: Report) -> set[tuple[object, ...]]:
        return {
            (access.syscall, access.object_path, access.port, access.missing, access.errno)
            for access in report.accesses
            if access.verdict == "denied"
        }

    assert denials(enforced.report) <= denials(asked.outcome.report)


def test_other_threads_go_on_while_one_waits(place: Path) -> None:
    code = f"""if 1:
        import threading
        def read(name): print(open("{place}/" + name).read().strip(), flush=True)
        threads = [threading.Thread(target=read, args=(name,)) for name in ("one", "two", "three")]
        for thread in threads: thread.start()
        print("going on", flush=True)
        for thread in threads: thread.join()
    """
    run = start(policy(reading()), *_PYTHON, code, mode="ask")
    waiting: list[int] = []

    def answer(question: Question) -> None:
        waiting.append(question.number)
        if len(waiting) == 3:  # all wait at once, and are answered in another order
            for number in reversed(waiting):
                run.answer(number, Answer("allow"))

    asked = follow(run, answer)
    assert sorted(asked.outcome.out.split("\n")) == ["", "going on", "one", "three", "two"]


def test_one_answer_settles_equal_questions(place: Path) -> None:
    script = f"for i in 1 2 3; do cat {place}/one & done; wait"
    run = start(policy(reading()), "sh", "-c", script, mode="ask")
    waiting: list[int] = []

    def answer(question: Question) -> None:
        waiting.append(question.number)
        if len(waiting) == 3:
            run.answer(waiting[0], Answer("allow-for-run"))

    asked = follow(run, answer)
    assert asked.outcome.out == "one\n" * 3
    assert sorted(asked.withdrawn) == waiting[1:]


@pytest.mark.parametrize(("default", "status"), [("deny", 1), ("allow", 0)])
def test_default_answer_after_timeout(place: Path, default: str, status: int) -> None:
    began = time.monotonic()
    asked = ask(policy(reading()), lambda _: None, "cat", f"{place}/one", ask_timeout=0.3, ask_default=default)
    assert asked.outcome.report.exit_code == status
    assert 0.3 <= time.monotonic() - began < 20
    assert asked.withdrawn == [asked.questions[0].number]
    assert "because nobody answered" in asked.outcome.rows(verdict="denied")[0].reason


def test_late_answer_changes_nothing(place: Path) -> None:
    run = start(policy(reading()), "cat", f"{place}/one", mode="ask", ask_timeout=0.1)

    def answer(question: Question) -> None:
        threading.Timer(0.3, run.answer, (question.number, Answer("allow"))).start()

    assert follow(run, answer).outcome.report.exit_code == 1


def test_killed_thread_withdraws_its_question(place: Path) -> None:
    script = f"cat {place}/one & sleep 0.3; kill -9 $!; wait $!; echo $?"
    asked = ask(policy(reading()), lambda _: None, "sh", "-c", script)
    assert asked.outcome.out.startswith("137")
    assert asked.withdrawn == [asked.questions[0].number]


def test_stop_ends_a_waiting_program(place: Path) -> None:
    marker = f"9{int.from_bytes(os.urandom(4), 'big'):010d}"
    run = start(policy(reading()), "sh", "-c", f"sleep {marker} & cat {place}/one; sleep {marker}", mode="ask")

    def answer(_question: Question) -> None:
        run.stop()

    assert follow(run, answer).outcome.report.exit_code == 128 + signal.SIGTERM
    assert not alive(marker)


def test_filter_of_the_program_itself(place: Path) -> None:
    code = f"""if 1:
        import ctypes, struct
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)
        # openat fails with ENOTTY (25) if its third argument has O_CREAT; everything else is allowed.
        number = {257 if os.uname().machine == "x86_64" else 56}
        program = b"".join(struct.pack("=HBBI", *each) for each in (
            (0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 32), (0x45, 0, 1, 0o100), (6, 0, 0, 0x50000 | 25),
            (6, 0, 0, 0x7fff0000)))
        code = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("=H6xQ", 6, ctypes.addressof(code))
        assert libc.prctl(22, 2, header) == 0
        try: open("{place}/new", "w")
        except OSError as error: print(error.errno)
        print(open("{place}/one").read().strip())
        print(libc.syscall({317 if os.uname().machine == "x86_64" else 277}, 1, 8, header), ctypes.get_errno())
    """
    asked = ask(policy(reading()), lambda _: "allow", *_PYTHON, code)
    assert asked.outcome.out == "25\none\n-1 16\n"
    assert [os.path.basename(str(each)) for each in asked.objects] == ["one"]
    assert any("only one such filter" in notice for notice in asked.outcome.notices)


def test_made_files_are_granted_where_they_are_made(place: Path) -> None:
    script = f"echo x >{place}/made; cat {place}/made"
    asked = ask(policy(reading()), lambda _: "allow", "sh", "-c", script)
    assert asked.outcome.out == "x\n"
    (row,) = [row for row in asked.outcome.rows(verdict="denied", syscall="openat") if row.missing == {"read_file"}]
    assert row.made_in == str(place)


def test_inherited_files_keep_their_rights(place: Path) -> None:
    with open(place / "one", "r+b") as file, open("/dev/null", "rb") as null:
        code = "import os; os.ftruncate(1, 0); os.isatty(0); print('written')"
        asked = ask(policy(system_rules()), lambda _: "deny", *_PYTHON, code, stdin=null.fileno(), stdout=file.fileno())
    assert asked.questions == []
    assert (place / "one").read_text() == "written\n"


def test_command_itself_is_asked_about() -> None:
    asked = ask(policy({}), lambda _: "deny", "/bin/true")
    assert asked.outcome.report.exit_code == 126
    assert asked.questions[0].accesses[0].syscall == "execve"


def test_signals_come_after_the_answer(place: Path) -> None:
    code = f"""if 1:
        import signal
        ticks = []
        signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        print(open("{place}/one").read().strip(), len(ticks) > 0)
    """
    run = start(policy(reading()), *_PYTHON, code, mode="ask")

    def answer(question: Question) -> None:
        threading.Timer(0.3, run.answer, (question.number, Answer("allow"))).start()

    asked = follow(run, answer)
    assert asked.outcome.out == "one True\n"
    assert len(asked.questions) == 1, "a signal does not make the call wait anew"


def test_denial_of_an_outer_layer(place: Path) -> None:
    outer, inner = policy({**reading(), str(place / "one"): ("read_file",)}), policy(reading())
    asked = ask(outer, lambda _: "deny", "cat", f"{place}/one", f"{place}/two", layers=(inner,))
    found = [(access.object_path, access.layer) for question in asked.questions for access in question.accesses]
    assert found == [(f"{place}/one", 2), (f"{place}/two", 2)]


def test_only_one_run_at_a_time_can_hold_a_process() -> None:
    code = f"""if 1:
        import sys
        sys.path.insert(0, {REPOSITORY!r})
        from tests.sandbox.harness import everything, start
        run = start(everything(), "true", mode="ask")
        print(run.wait().notes[-1])
    """
    asked = ask(everything(), lambda _: "allow", sys.executable, "-I", "-c", code)
    assert "has a filter with a listener already" in asked.outcome.out, asked.outcome.output
