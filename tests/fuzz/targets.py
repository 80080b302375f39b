"""Properties of any bytes, each a function that raises if the property does not hold."""

import json
import os
import random
import re
import tomllib
from collections.abc import Callable, Iterator

from editor.analysis.check import CheckRequest, check
from editor.analysis.compatibility import compatibility
from editor.analysis.effective import effective_rights
from editor.analysis.explain import TargetError, explain, parse_target
from editor.analysis.lint.catalogue import LINTS
from editor.analysis.lint.engine import fixes, lint
from editor.cli.check import compatibility_lines, finding_lines
from editor.cli.console import Console
from editor.cli.explain import effective_lines, explanation_lines
from editor.cli.sarif import sarif
from editor.editing.document import PolicyDocument
from editor.editing.edits import (
    Edit,
    EditError,
    ExpandEntry,
    GrantPath,
    GrantPort,
    InlineVariable,
    RemoveEntry,
    RemoveVariable,
    RenameVariable,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRuleRights,
    SetScope,
)
from editor.editing.meaning import meaning_of
from editor.editing.merge import MergeError, merge
from editor.editing.splice import apply_splices
from editor.evaluation.diff import compare
from editor.evaluation.resolve import resolve
from editor.exchange import FORMATS, Source, export_as
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS
from editor.policy.compose import compose
from editor.policy.errors import PolicyError
from editor.policy.files import decode
from editor.policy.locate import locate
from editor.policy.parse import parse_collecting_errors, parse_policy
from editor.policy.tree import Format, Node
from editor.policy.variables import expand
from editor.sandbox.verdicts.report import AbiUsed
from tests.editing.test_edits_properties import expected, may_refuse, meaning, tables
from tests.policy.texts import FS, NET, PATHS, PORTS, SCOPED

_FORMATS: tuple[Format, ...] = ("toml", "json")
_TARGETS = (
    *(
        ".",
        "/",
        "//",
        "//etc/../x",
        "/etc/shadow",
        "/usr/bin/../bin/true",
        "gone/x",
        "a\nb/\x1b",
        "/" + "x" * 5000,
        "\udcff",
    ),
    *("tcp:443", "udp:53", "tcp:x", "udp:70000", "scope:signal", "scope:x", "scope:scope.0x4", "", ":", "x\0"),
)
_SILENT = Console(None)


class Case:
    """One input: its bytes, a second input to combine it with, and a random generator.

    ``seen`` collects outcomes: inputs that lead to a new one are kept.
    """

    def __init__(self, data: bytes, other: bytes, chance: random.Random) -> None:
        self.data = data
        self.other = other
        self.chance = chance
        self.seen: list[str] = []

    def documents(self) -> Iterator[PolicyDocument]:
        """Yield the input as a document, for each format in which it is a policy."""
        for format in _FORMATS:
            if (document := _document(self.data, format)) is not None:
                yield document


def _document(data: bytes, format: Format) -> PolicyDocument | None:
    try:
        return PolicyDocument.parse(decode(data, "f"), "f", format)
    except PolicyError:
        return None


def reading(case: Case) -> None:
    """Only PolicyError with a location in the text is raised, and what is parsed is what is written."""
    try:
        text = decode(case.data, "f")
    except PolicyError as error:
        _check_place(error, case.data.decode("utf-8", "replace"))
        case.seen.append("bytes")
        return
    for format in _FORMATS:
        try:
            root = locate(text, format, "f")
        except PolicyError as error:
            _check_place(error, text)
            case.seen.append(f"{format} {_shape(error.message)}")
            continue
        standard = tomllib.loads(text) if format == "toml" else json.loads(text)
        assert _plain(root) == _comparable(standard)
        policy, problems = parse_collecting_errors(text, "f", format, root)
        for problem in problems:
            _check_place(problem, text)
        case.seen += [f"{format} {_shape(problem.message)} {_shape(problem.hint)}" for problem in problems]
        try:
            assert parse_policy(text, "f", format) == policy
            assert not problems
        except PolicyError as error:
            assert (error.message, error.line) == (problems[0].message, problems[0].line)
        else:
            case.seen.append(format)


def rereading(case: Case) -> None:
    """Parsing only the difference to an earlier text gives the same as parsing the whole text."""
    for document in case.documents():
        for data in (case.other, _cut(case.data, case.chance)):
            try:
                text = decode(data, "f")
                afresh: PolicyDocument | str = PolicyDocument.parse(text, "f", document.format)
            except PolicyError as error:
                afresh = str(error)
            try:
                near: PolicyDocument | str = PolicyDocument.parse(
                    decode(data, "f"), "f", document.format, near=document
                )
            except PolicyError as error:
                near = str(error)
            if isinstance(near, str) or isinstance(afresh, str):
                assert near == afresh
            else:
                assert near == afresh


def _cut(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` with a piece of it removed or duplicated."""
    start = chance.randint(0, len(data))
    end = start + chance.choice((1, 3, 20, 100))
    return data[:start] + (data[start:end] * 2 if chance.random() < 0.4 else b"") + data[end:]


def editing(case: Case) -> None:
    """Edits do only what they say, or are refused with a sentence; each can be undone."""
    for first in case.documents():
        document = first
        for _ in range(3):
            edit = _edit(document, case.chance)
            before = meaning(document.text, document.format)
            try:
                change = document.change(edit)
            except EditError as error:
                assert str(error).endswith(".")
                case.seen.append(f"refused {type(edit).__name__} {_shape(str(error))}")
                if isinstance(edit, _PLAIN) and not _names_nothing(edit):
                    assert may_refuse(document, edit) or "touching more" in str(error), error
                continue
            after = change.after
            assert apply_splices(document.text, change.splices) == after.text
            assert apply_splices(after.text, change.inverted().splices) == document.text
            assert after == PolicyDocument.parse(after.text, "f", document.format)
            if isinstance(edit, _PLAIN):
                assert meaning(after.text, document.format) == expected(before, edit)
            _check_tables(document, after, edit)
            case.seen.append(f"{type(edit).__name__} {len(change.splices)}")
            document = after


def _names_nothing(edit: Edit) -> bool:
    return isinstance(edit, SetPathRights | GrantPath) and (not edit.path or "\0" in edit.path)


_PLAIN = SetPathRights | GrantPath | SetPortRights | GrantPort | SetHandled | SetScope


def _check_tables(before: PolicyDocument, after: PolicyDocument, edit: Edit) -> None:
    """Handling a right changes no rule, and a grant at most one: all others stay the same to the byte."""
    left = set(tables(after))
    touched = [table for table in tables(before) if table not in left]
    if isinstance(edit, SetHandled | SetScope):
        assert not touched
    elif isinstance(edit, GrantPath | GrantPort):
        assert len(touched) <= 1


def merging(case: Case) -> None:
    """A merge has the changes of both sides, whichever is first, or reports what collides."""
    for base in case.documents():
        one, other = _edited(base, case.chance), _edited(base, case.chance)
        assert merge(base, one, base).text == one.text
        assert meaning_of(merge(base, base, other).policy) == meaning_of(other.policy)
        results = []
        for theirs, mine in ((one, other), (other, one)):
            try:
                results.append(meaning_of(merge(base, theirs, mine).policy))
            except MergeError as error:
                case.seen.append(f"merge {type(error).__name__} {_shape(str(error))}")
        assert len(results) < 2 or results[0] == results[1]


def explaining(case: Case) -> None:
    """Everything that reports on a policy works, and prints nothing that a terminal would interpret."""
    for document in case.documents():
        policy, chance = document.policy, case.chance
        abi = AbiUsed(7, chance.randint(1, LATEST_ABI))
        lines = effective_lines(effective_rights(policy, abi), _SILENT)
        json.dumps(effective_rights(policy, abi).to_json())
        named = [parent.template for rule in policy.path_rules for parent in rule.parents]
        for target in (chance.choice(_TARGETS), chance.choice(named or ["."])):
            rights = tuple(chance.sample([*FS, *NET, *SCOPED], chance.choice((0, 0, 1, 2))))
            try:
                explanation = explain(policy, parse_target(target, rights), abi)
            except TargetError as error:
                case.seen.append(f"target {_shape(str(error))}")
                continue
            json.dumps(explanation.to_json())
            lines += explanation_lines(explanation, policy, _SILENT)
            case.seen += [f"{each.answer} {_shape(each.reason)}" for each in explanation.answers]
        lines += compatibility_lines([compatibility(policy)], _SILENT)
        _check_printable(lines)


def linting(case: Case) -> None:
    """Findings are of known kinds, and fixing them does not change what is allowed on this machine."""
    for document in case.documents():
        before = resolve(document.policy)
        found = lint(document.policy, before, target_abi=case.chance.choice((None, 1, 6, 11)))
        assert {each.id for each in found} <= set(LINTS)
        case.seen.append(" ".join(sorted({f"{each.id}{len(each.fix)}" for each in found})))
        fixed = document
        for edit in fixes(found):
            try:
                fixed = fixed.apply(edit)
            except EditError as error:
                case.seen.append(f"unfixed {_shape(str(error))}")
        after = resolve(fixed.policy)
        assert compare(before, after).same
        for sets in ("handled_fs", "handled_net", "scoped"):
            assert getattr(after, sets) == getattr(before, sets)


def checking(case: Case) -> None:
    """``paddock check --fix`` leaves a valid policy, and does not change a text without fixes."""
    for format in _FORMATS:
        name = f"checked.{format}"
        with open(name, "wb") as file:
            file.write(case.data)
        checked = check(CheckRequest((name,), fix=True))
        os.unlink(name)
        left = case.data
        for rewritten in checked.rewritten:
            assert rewritten.before.encode() == case.data
            left = rewritten.after.encode()
        assert checked.valid == (_document(left, format) is not None)
        assert bool(checked.fixed) == (left != case.data)
        _check_printable(finding_lines([checked], _SILENT, notes=True))
        json.dumps([checked.to_json(), sarif([checked])])
        case.seen.append(f"check {checked.status} {len(checked.fixed)}")


def exporting(case: Case) -> None:
    """An export as Landlock Config parses to the same policy."""
    for document in case.documents():
        policy = document.policy
        for name in FORMATS:
            sources = (None, Source(document.text, document.format))
            for exported in (export_as(name, policy, source) for source in sources):
                if name in ("landlock-toml", "landlock-json"):
                    again = parse_policy(exported.text, "f", "toml" if name == "landlock-toml" else "json")
                    assert meaning_of(again) == meaning_of(policy)


def composing(case: Case) -> None:
    """A composition handles what both policies handle, and allows no more on a path than one of them."""
    for format in _FORMATS:
        documents = [_document(data, format) for data in (case.data, case.other)]
        policies = [each.policy for each in documents if each is not None]
        if len(policies) < 2:
            continue
        whole = compose(policies)
        assert whole.handled_fs == policies[0].handled_fs & policies[1].handled_fs
        for rule in whole.path_rules:
            assert rule.rights and rule.rights <= whole.handled_fs
        assert compose(policies[:1]) == policies[0]
        case.seen.append(f"composed {len(whole.path_rules)}")


TARGETS: tuple[Callable[[Case], None], ...] = (
    reading, rereading, editing, merging, explaining, linting, checking, exporting, composing,
)  # fmt: skip


def _edit(document: PolicyDocument, chance: random.Random) -> Edit:
    """Return an edit, mostly of something in ``document``."""
    policy = document.policy
    variables = meaning_of(policy).variables
    named = [
        path
        for rule in policy.path_rules[:50]
        for parent in rule.parents[:5]
        for path in expand(parent.template, variables)[:5]
    ]
    ports = [entry.port for port_rule in policy.port_rules for entry in port_rule.ports]
    path = chance.choice([*PATHS, *named, *named])
    port = chance.choice([*PORTS, *ports])
    fs = frozenset(chance.sample(FS, chance.randint(0, 3)))
    net = frozenset(chance.sample(NET, chance.randint(0, 2)))
    section, rights, rules = chance.choice(
        (("path_beneath", fs, len(policy.path_rules)), ("net_port", net, len(policy.port_rules)))
    )
    number = chance.randint(0, rules)
    name = chance.choice([*variables, "a", "home"])
    edits: tuple[Edit, ...] = (
        SetPathRights(path, fs),
        SetPathRights(path, NO_RIGHTS),
        GrantPath(path, fs),
        SetPortRights(port, net),
        GrantPort(port, net),
        SetHandled(chance.choice([*FS, *NET]), chance.random() < 0.5),
        SetScope(chance.choice(SCOPED), chance.random() < 0.5),
        SetRuleRights(section, number, rights),  # type: ignore[arg-type]  # mypy takes the section for any string
        RemoveEntry(section, number, chance.randint(0, 2)),  # type: ignore[arg-type]  # as above
        ExpandEntry(number, chance.randint(0, 2)),
        RenameVariable(name, chance.choice(("b", "home", "x1", "1", ""))),
        InlineVariable(name),
        RemoveVariable(name),
    )
    return chance.choice(edits)


def _edited(document: PolicyDocument, chance: random.Random) -> PolicyDocument:
    for _ in range(chance.randint(0, 3)):
        try:
            document = document.apply(_edit(document, chance))
        except EditError:
            continue
    return document


def _check_place(error: PolicyError, text: str) -> None:
    lines = text.split("\n")
    assert error.message and 1 <= error.line <= len(lines), error
    assert 1 <= error.column <= len(lines[error.line - 1]) + 1, error


def _check_printable(lines: list[str]) -> None:
    for line in lines:
        assert line.isprintable(), ascii(line)


def _plain(node: Node) -> object:
    if node.kind == "array":
        return [_plain(item) for item in node.items]
    if node.kind == "table":
        return {field.key: _plain(field.node) for field in node.fields}
    return _comparable(node.value)


def _comparable(value: object) -> object:
    """Return ``value`` with each NaN, which does not equal itself, replaced by a string."""
    if isinstance(value, dict):
        return {key: _comparable(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_comparable(own) for own in value]
    return "NaN" if value != value else value  # noqa: PLR0124 only a NaN differs from itself


_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9]+|0x[0-9a-f]+|/[^ ,;]*")


def _shape(sentence: str) -> str:
    """Return a sentence without names and numbers, to tell kinds of sentences apart."""
    return _DETAIL.sub("_", sentence)[:120]
