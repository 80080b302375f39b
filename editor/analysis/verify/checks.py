"""Read NAME.checks.toml, which holds the checks of the policy NAME.toml or NAME.json next to it."""

import os
import shlex
from typing import Literal, NamedTuple, cast

from editor.analysis.verify.expected import Expected, ExpectedError, parse_expected
from editor.policy.errors import PolicyError
from editor.policy.files import CHECKS_SUFFIX, read_text
from editor.policy.locate import locate
from editor.policy.model import Location
from editor.policy.tables import TableReader
from editor.policy.tree import Node
from editor.sandbox.verdicts.report import Mode

_MAX_STATUS = 255
_MODES = ("enforce", "observe")

Status = int | Literal["any", "timeout"]
# Keys that make sense only with a command, and only without one.
_WITH_COMMAND = ("mode", "exit_status", "may_be_denied")
KEYS = (
    "name", "command", "prepare", "directory", "files", "environment", "timeout", "allowed", "denied", *_WITH_COMMAND,
)  # fmt: skip


class Check(NamedTuple):
    """One ``[[check]]``: a command to run under the policy, or without one, accesses that Paddock itself tries.

    ``prepare`` is a command that runs before, without the policy. ``directory`` is where both run, absolute; None is a
    new temporary directory, in which ``files`` (name and content) are written. ``environment`` is added to Paddock's
    own. ``timeout`` is in seconds, None for the default. ``exit_status`` is the command's; "timeout" means that it must
    run until then. ``allowed`` and ``denied`` are what the command must access and be denied, or what is tried; nothing
    else may be denied but ``may_be_denied``.
    """

    name: str
    location: Location
    command: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    directory: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    mode: Mode = "enforce"
    timeout: float | None = None
    exit_status: Status = 0
    allowed: tuple[Expected, ...] = ()
    denied: tuple[Expected, ...] = ()
    may_be_denied: tuple[Expected, ...] = ()


def checks_path(policy: str) -> str:
    """Return the path of the checks of the policy file ``policy``, whether or not it exists."""
    stem, suffix = os.path.splitext(policy)
    return (stem if suffix in (".toml", ".json") else policy) + CHECKS_SUFFIX


def policy_path(checks: str) -> str:
    """Return the path of the policy that the file ``checks`` belongs to, a TOML file unless only a JSON file exists."""
    stem = checks.removesuffix(CHECKS_SUFFIX)
    return stem + ".json" if os.path.exists(stem + ".json") and not os.path.exists(stem + ".toml") else stem + ".toml"


def read_checks(path: str) -> tuple[tuple[Check, ...], tuple[PolicyError, ...]]:
    """Read the file of checks ``path``; return the valid checks, and all errors by location."""
    try:
        return parse_checks(read_text(path), path)
    except PolicyError as error:
        return (), (error,)


def parse_checks(text: str, file: str) -> tuple[tuple[Check, ...], tuple[PolicyError, ...]]:
    """Return the valid checks in ``text``, and all errors by location. Raises PolicyError if it is not TOML."""
    reader = _ChecksReader(text, file, "toml", locate(text, "toml", file))
    checks = reader.checks()
    return checks, tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))


class _ChecksReader(TableReader):
    """One pass over the tree of a text that collects checks and problems."""

    def checks(self) -> tuple[Check, ...]:
        members = self.table(self.root, ("check",), ("check",), "a file of checks")
        found: dict[str, Check] = {}
        for node in self.tables(members.get("check"), "check"):
            before = len(self.problems)
            check = self.check(node)
            if check.name in found:
                first = found[check.name].location.line
                self.problem(node.span.start, f"a second check '{check.name}'", hint=f"the first is on line {first}")
            if len(self.problems) == before:
                found[check.name] = check
        return tuple(found.values())

    def check(self, node: Node) -> Check:
        members = self.table(node, KEYS, ("name",), "a check")
        keys = {field.key: field.key_span.start for field in node.fields}
        command = self.words(members, "command")
        expected = {
            key: self.accesses(members.get(key), key, probes="command" not in members)
            for key in ("allowed", "denied", "may_be_denied")
        }
        for key in _WITH_COMMAND:
            if key in members and "command" not in members:
                self.problem(keys[key], f"'{key}' is about a command, and this check has none", key=key)
        if not {"command", "allowed", "denied"} & set(members):
            self.problem(node.span.start, "this check checks nothing", hint="add a command, or denied accesses")
        directory = self.text_of(members, "directory")
        files = self.texts(members.get("files"), "files")
        if files and directory is not None:
            hint = "leave out 'directory', or write them in 'prepare'"
            self.problem(keys["files"], "'files' are written in a temporary directory only", key="files", hint=hint)
        for name, _ in files:
            if os.path.isabs(name) or ".." in name.split("/"):
                self.problem(keys["files"], f"'{name}' is not a path in the temporary directory", key=name)
        if directory is not None:
            directory = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(self.file)), directory))
        return Check(
            name=self.name(members.get("name")),
            location=self.place(node),
            command=command,
            prepare=self.words(members, "prepare"),
            directory=directory,
            files=files,
            environment=self.texts(members.get("environment"), "environment"),
            mode=self.mode(members.get("mode")),
            timeout=self.timeout(members.get("timeout")),
            exit_status=self.exit_status(members.get("exit_status")),
            **expected,
        )

    def name(self, node: Node | None) -> str:
        if node is None:
            return ""
        if node.kind != "string" or not isinstance(node.value, str):
            self.wrong_kind(node, "name", "a string")
            return ""
        if not node.value.strip():
            self.problem(node.span.start, "the name of a check is empty", key="name")
        return node.value

    def text_of(self, members: dict[str, Node], key: str) -> str | None:
        node = members.get(key)
        if node is None:
            return None
        if node.kind != "string" or not isinstance(node.value, str):
            self.wrong_kind(node, key, "a string")
            return None
        if not node.value or "\0" in node.value:
            self.problem(node.span.start, f"'{key}' must be a path", key=key)
        return node.value

    def words(self, members: dict[str, Node], key: str) -> tuple[str, ...]:
        """Return the words of a command: a list, or a string split as a shell does, without any expansion."""
        node = members.get(key)
        if node is None:
            return ()
        if node.kind == "array":
            words = [text for _, text in self.strings(node, key)]
        elif node.kind == "string" and isinstance(node.value, str):
            try:
                words = shlex.split(node.value)
            except ValueError as error:
                self.problem(node.span.start, f"'{key}' cannot be split: {str(error).lower()}", key=key)
                return ()
        else:
            self.wrong_kind(node, key, "a string or an array of strings")
            return ()
        if any("\0" in word for word in words):
            self.problem(node.span.start, f"'{key}' contains a NUL", key=key)
        elif not any(words[:1]) and (node.kind != "array" or node.items):  # an empty array is reported already
            self.problem(node.span.start, f"'{key}' is empty", key=key)
        return tuple(words)

    def texts(self, node: Node | None, key: str) -> tuple[tuple[str, str], ...]:
        """Return the members of a table of strings."""
        if node is None:
            return ()
        if node.kind != "table":
            self.wrong_kind(node, key, "a table of strings", f'such as: {key} = {{ NAME = "text" }}')
            return ()
        found = []
        for field in node.fields:
            value = field.node.value
            if field.node.kind != "string" or not isinstance(value, str):
                self.wrong_kind(field.node, field.key, "a string")
            elif not field.key or "\0" in field.key or (key == "environment" and ("=" in field.key or "\0" in value)):
                self.problem(field.key_span.start, f"not a name in '{key}'", key=field.key)
            else:
                found.append((field.key, value))
        return tuple(found)

    def mode(self, node: Node | None) -> Mode:
        if node is None:
            return "enforce"
        if node.value not in _MODES:
            self.problem(node.span.start, f"'mode' must be {' or '.join(_MODES)}", key=self.shown(node))
            return "enforce"
        return cast(Mode, node.value)

    def timeout(self, node: Node | None) -> float | None:
        if node is None:
            return None
        if not isinstance(node.value, int | float) or node.kind == "boolean" or not 0 < node.value < 1e9:
            self.problem(node.span.start, "'timeout' must be a number of seconds", key=self.shown(node))
            return None
        return float(node.value)

    def exit_status(self, node: Node | None) -> Status:
        value = 0 if node is None else node.value
        if value == "any":
            return "any"
        if value == "timeout":
            return "timeout"
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_STATUS:
            return value
        if node is not None:
            message = f'\'exit_status\' must be a number from 0 to {_MAX_STATUS}, "any" or "timeout"'
            self.problem(node.span.start, message, key=self.shown(node))
        return 0

    def accesses(self, node: Node | None, key: str, *, probes: bool) -> tuple[Expected, ...]:
        """Return a list of accesses: strings, or tables with ``access`` and ``unproven``."""
        if node is None:
            return ()
        found = []
        for item in self.items(node, key, "accesses"):
            text, unproven = item, False
            if item.kind == "table":
                members = self.table(item, ("access", "unproven"), ("access",), "an access")
                if "access" not in members:
                    continue
                text = members["access"]
                mark = members.get("unproven")
                unproven = mark is not None and mark.value is True
                if mark is not None and mark.kind != "boolean":
                    self.wrong_kind(mark, "unproven", "true or false")
                elif mark is not None and not probes:
                    self.problem(item.span.start, "'unproven' is for accesses that Paddock tries", key="unproven")
            if text.kind != "string" or not isinstance(text.value, str):
                self.wrong_kind(text, key, "an array of accesses", 'such as: "read_file /etc/shadow"')
                continue
            try:
                expected = parse_expected(text.value, self.place(text), unproven=unproven)
            except ExpectedError as error:
                self.problem(text.span.start, str(error), key=text.value, hint=error.hint)
                continue
            if expected.beneath and probes:
                message = f"'{text.value}': Paddock tries one object, not everything beneath a directory"
                self.problem(text.span.start, message, key=text.value, hint="name a file, or give a command")
            found.append(expected)
        return tuple(found)
