"""A lesson: which run comes next, and what the policy grants after each."""

from pathlib import Path

from editor.sandbox.verdicts.report import AbiUsed, Access, Mode, Report
from editor.suggest.learning import empty_policy
from editor.suggest.lesson import Lesson, after, begin, recorded

READ = frozenset({"read_file"})


def denial(path: str, *rights: str, asked: str = "", mode: Mode = "observe") -> Access:
    missing = frozenset(rights or READ)
    errno = "EACCES" if mode == "enforce" else None
    return Access(
        "denied", missing, missing, asked or path, path, None, "openat", errno, "tool", 7, 1,
        predicted=mode == "observe",
    )  # fmt: skip


def report(mode: Mode, exit_code: int, *denied: Access) -> Report:
    return Report("", ("tool",), mode, AbiUsed(7, 7), exit_code, 0.1, denied)


def fresh(most_runs: int = 3) -> Lesson:
    return begin(empty_policy("", "toml", 7, "tool"), onto=False, most_runs=most_runs)


def granted(lesson: Lesson) -> dict[str, list[str]]:
    rules = lesson.document.policy.path_rules
    return {parent.template: sorted(rule.rights) for rule in rules for parent in rule.parents}


def test_what_was_read_is_granted_and_tried_out() -> None:
    lesson = fresh()
    assert lesson.next_mode == "observe"
    lesson = after(lesson, report("observe", 0, denial("/etc/passwd")))
    assert (lesson.next_mode, lesson.done, lesson.works) == ("enforce", False, False)
    assert granted(lesson) == {"/etc/passwd": ["read_file"]}
    lesson = after(lesson, report("enforce", 0))
    assert (lesson.done, lesson.works, len(lesson.runs)) == (True, True, 2)


def test_a_command_that_left_a_file_is_observed_again(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    made = denial(str(tmp_path), "make_reg", asked=f"{tmp_path}/out")
    lesson = after(fresh(), report("observe", 0, made))
    assert lesson.next_mode == "observe"
    # The second run finds the file: what it lacks on it is granted where the file is made.
    lesson = after(lesson, report("observe", 0, denial(f"{tmp_path}/out", "truncate", "write_file")))
    assert lesson.next_mode == "enforce"
    assert granted(lesson) == {str(tmp_path): ["make_reg", "truncate", "write_file"]}
    assert after(fresh(most_runs=2), report("observe", 0, made)).next_mode == "enforce"


def test_what_is_made_in_a_directory_that_an_earlier_run_made_is_granted_where_that_is_made(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    made = denial(str(tmp_path), "make_dir", asked=f"{tmp_path}/logs")
    lesson = after(fresh(), report("observe", 0, made))
    new = denial(f"{tmp_path}/logs/2", "write_file")._replace(made_in=f"{tmp_path}/logs")
    assert granted(after(lesson, report("observe", 0, new))) == {str(tmp_path): ["make_dir", "write_file"]}


def test_a_file_that_is_gone_again_is_no_reason_to_observe_again(tmp_path: Path) -> None:
    made = denial(str(tmp_path), "make_reg", asked=f"{tmp_path}/gone")
    removed = denial(str(tmp_path), "remove_file", asked=f"{tmp_path}/gone")
    assert after(fresh(), report("observe", 0, made, removed)).next_mode == "enforce"
    other = denial(str(tmp_path), "remove_file", asked=f"{tmp_path}/older")
    assert after(fresh(), report("observe", 0, other)).next_mode == "observe"


def test_probes_are_left_out_until_a_run_ends_otherwise() -> None:
    lesson = after(fresh(), report("observe", 0, denial("/etc/passwd"), denial("/proc/cpuinfo")))
    assert granted(lesson) == {"/etc/passwd": ["read_file"]}
    probed = denial("/proc/cpuinfo", mode="enforce")
    well = after(lesson, report("enforce", 0, probed))
    assert (well.works, well.done, well.tolerated) == (True, True, (probed,))
    badly = after(lesson, report("enforce", 1, probed))
    assert (badly.works, badly.done) == (False, False)
    assert granted(badly) == {"/etc/passwd": ["read_file"], "/proc/cpuinfo": ["read_file"]}


def test_a_run_that_ends_alike_but_is_denied_something_new_is_followed_by_another() -> None:
    lesson = after(fresh(), report("observe", 0, denial("/etc/passwd")))
    new = denial("/etc/group", mode="enforce")
    lesson = after(lesson, report("enforce", 0, new))
    assert (lesson.done, lesson.grew) == (False, True)
    assert granted(lesson) == {"/etc/passwd": ["read_file"], "/etc/group": ["read_file"]}
    # With no run left, what it got along without stays out.
    last = after(after(fresh(most_runs=2), report("observe", 0, denial("/etc/passwd"))), report("enforce", 0, new))
    assert (last.done, last.works, last.tolerated) == (True, True, (new,))
    assert granted(last) == {"/etc/passwd": ["read_file"]}


def test_a_protected_place_stays_closed_until_the_command_gives_up_for_it() -> None:
    first = report("observe", 0, denial("/etc/passwd"), denial("/etc/shadow"))
    lesson = after(fresh(), first)
    assert granted(lesson) == {"/etc/passwd": ["read_file"]}
    (left_out,) = lesson.left_out
    assert "/etc/shadow" in left_out.confirm
    assert granted(after(lesson, report("enforce", 0, denial("/etc/shadow", mode="enforce")))) == granted(lesson)
    opened = after(lesson, report("enforce", 1, denial("/etc/shadow", mode="enforce")))
    assert granted(opened) == {"/etc/passwd": ["read_file"], "/etc/shadow": ["read_file"]}
    assert opened.left_out == ()


def test_what_a_closed_place_would_have_covered_is_granted_by_itself() -> None:
    whole = denial("/proc/1/fd", "read_file", "read_dir")
    lesson = after(fresh(), report("observe", 0, whole, denial("/proc/cmdline")))
    assert granted(lesson) == {"/proc/cmdline": ["read_file"]}
    assert [each.confirm for each in lesson.left_out] == ["/proc (every process with its memory and environment)"]


def test_what_nothing_can_grant_ends_the_lesson() -> None:
    lesson = after(fresh(), report("observe", 0, denial("/etc/passwd")))
    lesson = after(lesson, report("enforce", 3))
    assert (lesson.done, lesson.works, lesson.grew) == (True, False, False)
    assert lesson.expected == 0


def test_recordings_come_before_runs() -> None:
    lesson = recorded(recorded(fresh(), (denial("/etc/passwd"),)), (denial("/etc/group"), denial("/etc/passwd")))
    assert granted(lesson) == {"/etc/group": ["read_file"], "/etc/passwd": ["read_file"]}
    assert (lesson.runs, lesson.next_mode) == ((), "observe")
