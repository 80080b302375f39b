"""Any edit of any policy does what it says, nothing else, and can be undone to the byte.

What an edit should lead to is said here a second time, on the canonical export, so that the editor's own check of its
work is checked as well. PADDOCK_EDIT_CASES sets how many sequences of edits are tried (2,000 take a minute or two).
"""

import contextlib
import os
import re
import tomllib
from collections.abc import Sequence
from typing import Any, Literal

from hypothesis import event, given, settings
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.edits import (
    AddPathRule,
    AddPortRule,
    Edit,
    EditError,
    GrantPath,
    GrantPort,
    RemoveEntry,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRulePaths,
    SetRuleRights,
    SetScope,
)
from editor.editing.meaning import has_intended_effect, intended_of, meaning_of
from editor.editing.splice import apply_splices
from editor.editing.splice_array import edit_array
from editor.evaluation.resolve import resolve
from editor.landlock.rights import RIGHTS
from editor.policy.locate import Format, locate
from editor.policy.model import path_key
from editor.policy.parse import parse_policy
from editor.policy.variables import expand
from tests.policy.texts import FS, NET, PATHS, PORTS, SCOPED, policy_texts, render, whole

MANY = int(os.environ.get("PADDOCK_EDIT_CASES", "300"))
EVERY_FS_RIGHT = frozenset(FS)
RULES = ("pathbeneath", "netport")
NOTE = re.compile(r"# note \w+\.")


def edits(document: PolicyDocument) -> st.SearchStrategy[Edit]:
    """Return edits of every kind, half of them about something in ``document``."""
    variables = {variable.name: variable.literals for variable in document.policy.variables}
    named = [
        path
        for rule in document.policy.path_rules
        for parent in rule.parents
        for path in expand(parent.template, variables)
        if path
    ]
    ports = [entry.port for rule in document.policy.port_rules for entry in rule.ports]
    path = st.sampled_from([*PATHS, *named * (len(PATHS) // (len(named) or 1))])
    port = st.sampled_from([*PORTS, *ports * 2])
    fs, net = st.frozensets(st.sampled_from(FS), max_size=4), st.frozensets(st.sampled_from(NET))
    return st.one_of(
        st.builds(SetPathRights, path, fs),
        st.builds(SetPathRights, path, st.just(frozenset())),
        st.builds(
            SetPathRights,
            path,
            st.sampled_from([rule.rights for rule in document.policy.path_rules] or [EVERY_FS_RIGHT]),
        ),
        st.builds(GrantPath, path, fs),
        st.builds(SetPortRights, port, net),
        st.builds(SetPortRights, port, st.just(frozenset())),
        st.builds(GrantPort, port, net),
        st.builds(AddPathRule, several(path), some(FS), st.just("Why\n# it [is]")),
        st.builds(AddPortRule, several(port), some(NET)),
        st.builds(SetHandled, st.sampled_from([*FS, *NET]), st.booleans()),
        st.builds(SetScope, st.sampled_from(SCOPED), st.booleans()),
    )


def several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(each, min_size=1, max_size=3).map(tuple)


def some(names: Sequence[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(names), min_size=1, max_size=3)


def meaning(text: str, format: Format) -> dict[str, Any]:
    canonical = resolve(parse_policy(text, "f", format), base="/").canonical()
    paths: dict[str, set[str]] = {}
    for path, rights in canonical["path_beneath"].items():
        paths.setdefault(path_key(path), set()).update(rights)
    return {
        "handled": {*canonical["handled_access_fs"], *canonical["handled_access_net"], *canonical["scoped"]},
        "paths": {path: rights for path, rights in paths.items() if rights},
        "ports": {int(port): set(rights) for port, rights in canonical["net_port"].items() if rights},
    }


def expected(before: dict[str, Any], edit: Edit) -> dict[str, Any]:
    after: dict[str, Any] = {
        "handled": set(before["handled"]),
        "paths": dict(before["paths"]),
        "ports": dict(before["ports"]),
    }
    if isinstance(edit, SetHandled | SetScope):
        name = edit[0]
        (after["handled"].add if edit.on else after["handled"].discard)(name)
        return after
    if isinstance(edit, AddPathRule | AddPortRule):
        section = after["paths" if isinstance(edit, AddPathRule) else "ports"]
        for subject in map(path_key, edit.paths) if isinstance(edit, AddPathRule) else edit.ports:
            section[subject] = section.get(subject, set()) | edit.rights
        after["handled"] |= edit.rights
        return after
    assert isinstance(edit, SetPathRights | GrantPath | SetPortRights | GrantPort)
    section = after["paths" if isinstance(edit, SetPathRights | GrantPath) else "ports"]
    subject = path_key(edit.path) if isinstance(edit, SetPathRights | GrantPath) else edit.port
    rights = set(edit.rights)
    if isinstance(edit, GrantPath | GrantPort):
        rights |= section.get(subject, set())
    section.pop(subject, None)
    if rights:
        section[subject] = rights
    after["handled"] |= rights
    return after


def may_refuse(document: PolicyDocument, edit: Edit) -> bool:
    """Whether there is a good reason to refuse ``edit``."""
    policy = document.policy
    if isinstance(edit, SetHandled) and not edit.on:
        granted = [rule.rights for rule in policy.path_rules] + [rule.rights for rule in policy.port_rules]
        if any(edit.right in rights for rights in granted):
            return True
    if isinstance(edit, SetHandled | SetScope) and not edit.on:
        rest = (policy.handled_fs | policy.handled_net | policy.scoped) - {edit[0]}
        return not rest and not policy.variables
    if isinstance(edit, SetPathRights):
        variables: dict[str, set[str]] = {}
        for variable in policy.variables:
            variables.setdefault(variable.name, set()).update(variable.literals)
        for rule in policy.path_rules:
            for parent in rule.parents:
                products = {path_key(path) for path in expand(parent.template, variables)}
                if path_key(edit.path) in products and len(products) > 1 and not rule.rights <= edit.rights:
                    return True
    return False


def tables(document: PolicyDocument) -> list[str]:
    """Return the text of every rule in the document."""
    sections = [field.node for field in document.root.fields if field.key.lower().replace("_", "") in RULES]
    return [document.text[item.span.start : item.span.end] for node in sections for item in node.items]


@settings(max_examples=MANY, deadline=None)
@given(policy_texts(), st.data())
def test_edit_does_what_it_says_and_nothing_else(source: tuple[str, Format], data: st.DataObject) -> None:
    text, format = source
    document = PolicyDocument.parse(text, "f", format)
    for _ in range(3):
        edit = data.draw(edits(document))
        before = meaning(document.text, format)
        try:
            change = document.change(edit)
        except EditError as error:
            assert may_refuse(document, edit), error
            event("refused")
            continue
        after = change.after
        assert change.before is document
        assert apply_splices(document.text, change.splices) == after.text
        assert whole(after.root) == locate(after.text, format, "f")
        assert after == PolicyDocument.parse(after.text, "f", format)
        assert [variable[:2] for variable in after.policy.variables] == [each[:2] for each in document.policy.variables]

        # It means what it should, and is no other text where it means the same.
        wanted = expected(before, edit)
        assert meaning(after.text, format) == wanted
        if wanted == before and not isinstance(edit, AddPathRule | AddPortRule):
            assert after.text == document.text
        if not (isinstance(edit, SetHandled | SetScope) and not edit.on):
            assert before["handled"] <= wanted["handled"]
        assert change.newly_handled == wanted["handled"] - before["handled"]

        # It can be taken back.
        back = change.inverted()
        assert apply_splices(after.text, back.splices) == document.text
        assert back.inverted().splices == change.splices
        assert back.after is document

        # Comments between tables, line breaks and all rules but those that are meant stay.
        assert NOTE.findall(after.text) == NOTE.findall(document.text)
        if "\r\n" in document.text:
            assert "\n" not in after.text.replace("\r\n", "")
        else:
            assert "\r" not in after.text
        touched = [table for table in tables(document) if table not in tables(after)]
        if isinstance(edit, SetHandled | SetScope | AddPathRule | AddPortRule):
            assert not touched
        elif isinstance(edit, GrantPath | GrantPort):
            assert len(touched) <= 1
        document = after
        event("edited" if change.splices else "held already")


@settings(max_examples=MANY, deadline=None)
@given(policy_texts(), st.data())
def test_outcome_is_checked_as_by_comparing_everything(source: tuple[str, Format], data: st.DataObject) -> None:
    """Also a wrong outcome: of another edit, or with one rule more or less."""
    before = PolicyDocument.parse(source[0], "f", source[1])
    sections: list[Literal["path_beneath", "net_port"]] = ["path_beneath", "net_port"]
    section = data.draw(st.sampled_from(sections))
    rules = before.policy.path_rules if section == "path_beneath" else before.policy.port_rules
    rule_edits: list[Edit] = [
        SetRuleRights(section, rule.number, data.draw(st.frozensets(st.sampled_from(FS)))) for rule in rules
    ]
    rule_edits += [RemoveEntry(section, rule.number, 0) for rule in rules]
    rule_edits += [SetRulePaths(rule.number, ("/new", "/usr")) for rule in before.policy.path_rules]
    asked, done = (
        data.draw(st.one_of(edits(before), st.sampled_from(rule_edits or [SetScope("signal", on=True)]))) for _ in "12"
    )
    after = before
    for edit in (done, *data.draw(st.lists(edits(before), max_size=1))):
        with contextlib.suppress(EditError):
            after = after.apply(edit)
    wrong = after.policy._replace(
        path_rules=data.draw(
            st.sampled_from([after.policy.path_rules, *(after.policy.path_rules[:at] for at in range(3))])
        )
    )
    for outcome in (after.policy, wrong):
        right = meaning_of(outcome) == intended_of(before.policy, asked)
        assert has_intended_effect(before.policy, asked, outcome) == right
        event("right" if right else "wrong")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_elements_are_removed_and_added_in_any_layout(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.one_of(st.sampled_from(PATHS), st.integers(0, 9)), min_size=1, max_size=5))
    text = render(data.draw, values)
    remove = data.draw(st.sets(st.integers(0, len(values) - 1)))
    insert = data.draw(
        st.lists(st.tuples(st.integers(0, len(values)), st.sampled_from(['"/new"', "'b'", "7"])), max_size=3)
    )
    insert.sort(key=lambda each: each[0])
    if len(remove) == len(values) and not insert:
        return
    wanted = []
    for at in range(len(values) + 1):
        wanted += [tomllib.loads(f"v={new}")["v"] for place, new in insert if place == at]
        wanted += [value for value in values[at : at + 1] if at not in remove]
    for before in (text, text.replace("\n", "\r\n")):
        after = edit_array(before, remove, insert)
        assert tomllib.loads(f"v={after}")["v"] == wanted


@settings(max_examples=150, deadline=None)
@given(policy_texts(), st.text(max_size=12), st.frozensets(st.sampled_from(FS), min_size=1))
def test_any_path_can_be_granted_and_means_itself(
    source: tuple[str, Format], path: str, rights: frozenset[str]
) -> None:
    document = PolicyDocument.parse(source[0], "f", source[1])
    try:
        after = document.apply(GrantPath(path, rights))
    except EditError:
        assert not path or "\0" in path
        return
    assert meaning(after.text, source[1])["paths"][path_key(path)] >= rights


@settings(max_examples=150, deadline=None)
@given(policy_texts(), st.one_of(st.sampled_from(sorted(RIGHTS)), st.text(max_size=5)), st.text(), st.integers())
def test_invalid_edits_are_refused_with_a_sentence(
    source: tuple[str, Format], right: str, path: str, port: int
) -> None:
    document = PolicyDocument.parse(source[0], "f", source[1])
    edits: list[Edit] = [
        SetPathRights(path, frozenset({right})),
        GrantPath(path + "\udcff", frozenset({"read_file"})),
        SetPortRights(port, frozenset({right})),
        SetHandled(right, on=True),
        SetScope(right, on=False),
    ]
    for edit in edits:
        try:
            document.apply(edit)
        except EditError as error:
            assert str(error).endswith(".")
