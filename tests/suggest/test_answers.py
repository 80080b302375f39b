"""Answers to questions, as lines of a file: which line answers what, and how often."""

import pytest

from editor.sandbox.verdicts.report import Access
from editor.suggest.answers import AnswersError, Script, answer_lines, parse_answers


def denied(
    path: str | None = "/data/file",
    *rights: str,
    port: int | None = None,
    process: str = "cat",
    asked: str | None = None,
) -> Access:
    missing = frozenset(rights or ("read_file",))
    return Access("denied", missing, missing, asked or path, path, port, "openat", "EACCES", process, 1, 1)


def script(*lines: str) -> Script:
    return parse_answers("\n".join(lines), "answers.jsonl")


def test_first_line_that_fits() -> None:
    answers = script(
        '{"answer": "deny-always", "path": "/data/secret*"}',
        '{"answer": "allow-for-run", "path": "/data/*", "rights": ["read_file"]}',
        '{"answer": "grant", "port": 443}',
        '{"answer": "kill", "process": "sh"}',
    )
    assert answers.answer([denied("/data/secret/key")]) == "deny-always"
    assert answers.answer([denied("/data/deep/file")]) == "allow-for-run"
    assert answers.answer([denied("/data/file", "read_file", "write_file")]) is None, "more than the line allows"
    assert answers.answer([denied(None, "connect_tcp", port=443)]) == "grant"
    assert answers.answer([denied(None, "connect_tcp", port=80)]) is None
    assert answers.answer([denied("/other", process="sh")]) == "kill"


def test_answers_for_one_call_are_used_once() -> None:
    answers = script(
        '{"answer": "allow", "path": "/data/file"}', "", '{"answer": "deny"}', '{"answer": "allow-for-run"}'
    )
    given = [answers.answer([denied()]) for _ in range(4)]
    assert given == ["allow", "deny", "allow-for-run", "allow-for-run"]


def test_a_call_is_allowed_only_if_all_of_it_is() -> None:
    make, write = denied("/data", "make_reg"), denied("/data/new", "write_file")
    both = [make, write]
    assert script('{"answer": "allow-for-run", "rights": ["make_reg"]}').answer(both) is None
    assert script('{"answer": "grant", "path": "/data"}', '{"answer": "deny"}').answer(both) == "deny"
    assert script('{"answer": "grant", "path": "/data"}', '{"answer": "allow"}').answer(both) == "allow"
    assert script('{"answer": "allow"}').answer(both) == "allow", "one line answers the whole call"


def test_what_has_no_object_is_named_as_asked() -> None:
    signal = denied(None, "signal", asked="process 17 (sh)")
    assert script('{"answer": "deny", "path": "process * (sh)"}').answer([signal]) == "deny"


@pytest.mark.parametrize("access", [
    denied("/data/[a]*?", process="[kworker]"), denied(None, "bind_tcp", port=80), denied("/data/\udcff", "make_dir"),
    denied(None, "signal", asked="process 17 (sh)"),
])  # fmt: skip
def test_saved_lines_give_the_same_answer_to_nothing_else(access: Access) -> None:
    lines = answer_lines([access], "grant")
    assert len(lines) == 1
    assert lines[0].isascii()
    answers = parse_answers("\n".join(lines), "answers.jsonl")
    assert answers.answer([access]) == "grant"
    assert answers.answer([access._replace(process="other")]) is None
    assert answers.answer([access._replace(missing=frozenset({"write_file"}))]) is None
    if access.object_path is not None:
        assert answers.answer([access._replace(object_path="/data/ab")]) is None


def test_error_names_the_line() -> None:
    with pytest.raises(AnswersError, match=r"answers\.jsonl:2: answer must be one of allow, "):
        script('{"answer": "allow"}', '{"answer": "yes"}')
