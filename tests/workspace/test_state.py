"""A snapshot is one state of a draft. Every change derives another, and a failed one keeps the last valid whole."""

from pathlib import Path

import pytest

from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError, GrantPath, GrantPort, RemoveVariable
from editor.policy.compose import CompositionContext
from editor.policy.parse import parse_collecting_errors
from editor.workspace.state import Snapshot

TEXT = """\
abi = 6

[[ruleset]]
handled_access_fs = ["read_file", "execute"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr"]
"""
VARIABLE = """
[[variable]]
name = "home"
literal = ["/home/a"]
"""
USER = TEXT.replace("/usr", "${home}")
READ = frozenset({"read_file"})


def snapshot(text: str, context: CompositionContext | None = None) -> Snapshot:
    context = context or CompositionContext()
    return Snapshot.of(PolicyDocument.parse(text, "p.toml", "toml", given=context.variables), context, 6)


def context(text: str) -> CompositionContext:
    """Another file, which comes before this one."""
    policy, problems = parse_collecting_errors(text, "other.toml", "toml", references=False)
    assert problems == ()
    return CompositionContext(before=(policy,))


def test_edit_derives_a_new_snapshot() -> None:
    before = snapshot(TEXT)
    after, applied = before.apply((GrantPath("/etc", READ), GrantPort(443, frozenset({"connect_tcp"}))), None)
    assert applied.label == "grant read_file on /etc; grant connect_tcp on port 443"
    assert applied.changed and applied.newly_handled == {"connect_tcp"}
    assert after.decider.file("/etc/hostname", READ).allowed
    assert after.own_port_rights(443) == {"connect_tcp"}
    assert after.problem is None
    assert before.document.text == TEXT
    assert not before.decider.file("/etc/hostname", READ).allowed


def test_edit_without_effect_returns_the_same_snapshot() -> None:
    before = snapshot(TEXT)
    after, applied = before.apply((GrantPath("/usr", READ),), None)
    assert after is before
    assert not applied.changed


def test_rules_are_found_by_any_spelling_of_their_path() -> None:
    state = snapshot(TEXT.replace('"/usr"', '"/usr/./lib/"'))
    rule = state.rule_at("/usr/lib")
    assert rule is not None and rule.rights == READ
    assert state.rule_at("/usr") is None
    assert state.own_rights("/usr/lib") == READ
    assert state.own_rights("/etc") == frozenset()


def test_own_rules_are_distinguished_from_the_whole() -> None:
    state = snapshot(TEXT, context(TEXT.replace("/usr", "/etc")))
    assert state.rule_at("/etc") is not None
    assert state.own_rule_at("/etc") is None
    assert state.own_rule_at("/usr") is not None


def test_only_reloading_resolves_every_path_again(tmp_path: Path) -> None:
    new = tmp_path / "new"
    before = snapshot(TEXT.replace("/usr", str(new)))
    new.mkdir()
    edited, _ = before.apply((GrantPath(str(tmp_path), frozenset({"execute"})),), None)
    for state, found in ((edited, False), (edited.reloaded(edited.document), True)):
        rule = state.rule_at(str(new))
        assert rule is not None and (rule.identity is not None) == found


def test_failed_composition_keeps_the_last_valid_whole() -> None:
    good = snapshot(USER, context(TEXT + VARIABLE))
    assert good.rule_at("/home/a") is not None
    bad = good.composed_with(context(TEXT))
    assert bad.problem is not None and "home" in str(bad.problem)
    assert bad.rule_at("/home/a") is not None
    assert bad.context == context(TEXT)
    again = bad.composed_with(context(TEXT + VARIABLE.replace("/home/a", "/home/b")))
    assert again.problem is None
    assert again.rule_at("/home/b") is not None


def test_edit_that_would_break_the_composition_is_refused() -> None:
    state = snapshot(TEXT + VARIABLE, context(USER))
    with pytest.raises(EditError, match="could not be composed"):
        state.apply((RemoveVariable("home"),), None)
