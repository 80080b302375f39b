"""Write a plan as the rules of a policy, in the order in which a person writes them, each under a comment."""

import os
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from editor.editing.document import PolicyDocument, new_policy_text
from editor.editing.edits import AddPathRule, AddPortRule, Edit, EditError, GrantPath, GrantPort
from editor.escape import printable
from editor.evaluation.resolve import resolve
from editor.landlock.rights import RightSet, in_order
from editor.policy.locate import Format
from editor.suggest.plan import Proposal

Topic = Literal[
    "programs", "libraries", "modules", "configuration", "data", "devices", "processes", "written", "temporary"
]

# In the order of a policy: what runs, what that reads, what it writes.
_TITLES: dict[Topic, str] = {
    "programs": "Programs",
    "libraries": "Libraries",
    "modules": "Modules",
    "configuration": "Configuration",
    "data": "Read",
    "devices": "Devices",
    "processes": "Of the kernel and of processes",
    "written": "Written",
    "temporary": "Temporary files",
}
_ORDER = {topic: position for position, topic in enumerate(_TITLES)}

_READING: RightSet = frozenset({"execute", "read_file", "read_dir", "ioctl_dev", "resolve_unix"})
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 recognised, not used
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/lib", "/lib", "/lib64", "/opt")
_MODULES = (".py", ".pyc", ".js", ".mjs", ".cjs", ".json", ".pm", ".pl", ".jar", ".class", ".rlib")
_MAX_NAMES = 4


class Learned(NamedTuple):
    """A policy with the rules of a plan; ``problems`` are sentences on what could not be written in it."""

    document: PolicyDocument
    problems: tuple[str, ...]


class _Rule(NamedTuple):
    """A rule to write. ``purpose``, ``processes`` and ``opens`` are for its comment, or ``comment`` is all of it.

    ``opens`` is the protected place that it opens, if any.
    """

    order: int
    topic: Topic
    paths: tuple[str, ...]
    rights: RightSet
    purpose: str
    processes: tuple[str, ...]
    opens: str = ""
    comment: str = ""


def empty_policy(file: str, format: Format, abi: int, program: str) -> PolicyDocument:
    """Return the policy of ``file`` that handles all of Landlock ``abi`` and grants nothing.

    ``program`` is whose it is, empty if that is not known.
    """
    text = new_policy_text(abi, format)
    if format == "toml":
        ruleset = text[text.index("abi = ") : text.index("# A rule grants")].rstrip()
        what = f"What {printable(os.path.basename(program))} needs" if program else "What programs need"
        text = f"# {what}, as learned from runs. All else that Landlock can deny is denied.\n{ruleset}\n"
    return PolicyDocument.parse(text, file, format)


def write_policy(empty: PolicyDocument, proposals: Sequence[Proposal]) -> Learned:
    """Return ``empty`` with rules for ``proposals``: the same rights for the same purpose are one rule."""
    edits: list[Edit] = []
    rules: list[_Rule] = []
    ports: dict[RightSet, list[int]] = {}
    for proposal in proposals:
        for edit in proposal.edits:
            if isinstance(edit, GrantPath):
                rules.append(_rule((edit.path,), edit.rights, proposal))
            elif isinstance(edit, AddPathRule):
                rules.append(_rule(edit.paths, edit.rights, proposal, edit.comment))
            elif isinstance(edit, GrantPort):
                ports.setdefault(edit.rights, []).append(edit.port)
            elif isinstance(edit, AddPortRule):
                if proposal.kind == "promise":
                    edits.append(edit)
                else:
                    ports.setdefault(edit.rights, []).extend(edit.ports)
            else:
                edits.append(edit)
    written: list[Edit] = [AddPathRule(rule.paths, rule.rights, _comment(rule)) for rule in _merged(rules)]
    written += [AddPortRule(tuple(sorted(numbers)), rights, _port_comment(rights)) for rights, numbers in ports.items()]
    return _apply(empty, (*written, *edits))


def extend_policy(document: PolicyDocument, proposals: Sequence[Proposal]) -> Learned:
    """Return ``document`` with ``proposals``: its own rules grow where they name the path, new ones get a comment."""
    edits: list[Edit] = []
    rules: list[_Rule] = []
    known = {each.path for each in resolve(document.bound).paths}
    for proposal in proposals:
        for edit in proposal.edits:
            if isinstance(edit, GrantPath) and edit.path not in known:
                rules.append(_rule((edit.path,), edit.rights, proposal))
            elif isinstance(edit, AddPathRule):
                rules.append(_rule(edit.paths, edit.rights, proposal, edit.comment))
            else:
                edits.append(edit)
    edits += [AddPathRule(rule.paths, rule.rights, _comment(rule)) for rule in _merged(rules)]
    return _apply(document, edits)


def topic_of(path: str, rights: RightSet) -> Topic:
    """Return what a rule on ``path`` with ``rights`` is about."""
    name = os.path.basename(path)
    if rights - _READING and (path in _TEMPORARY or name in ("tmp", "temp")):
        return "temporary"
    if _is_below(path, ("/dev",)):
        return "devices"
    if _is_below(path, ("/proc", "/sys")):
        return "processes"
    if rights - _READING:
        return "written"
    if "execute" in rights:
        return "programs"
    if ".so" in name or name == "ld.so.cache" or name.endswith(("-linux-gnu", "-linux-musl")):
        return "libraries"
    if name.endswith(_MODULES) or _is_below(path, _LIBRARIES) or "/lib/" in path or "/node_modules" in path:
        return "modules"
    if _is_below(path, ("/etc",)) or name.startswith(".") or "/.config/" in path:
        return "configuration"
    return "data"


def _is_below(path: str, directories: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in directories)


def _rule(paths: tuple[str, ...], rights: RightSet, proposal: Proposal, comment: str = "") -> _Rule:
    topic = topic_of(paths[0], rights)
    processes = tuple(dict.fromkeys(access.process for access in proposal.accesses if access.process))
    promised = proposal.kind in ("promise", "enumerated")  # what refreshes these finds them by their comment
    return _Rule(
        _ORDER[topic], topic, paths, rights, proposal.purpose, processes, proposal.confirm, comment if promised else ""
    )


def _merged(rules: Sequence[_Rule]) -> list[_Rule]:
    """Return ``rules`` in order, those of one topic with the same rights as one."""
    merged: dict[tuple[object, ...], _Rule] = {}
    for rule in rules:
        key = (rule.topic, rule.rights, rule.purpose, rule.opens, rule.comment)
        known = merged.setdefault(key, rule)
        merged[key] = known._replace(
            paths=tuple(dict.fromkeys((*known.paths, *rule.paths))),
            processes=tuple(dict.fromkeys((*known.processes, *rule.processes))),
        )
    return [
        rule._replace(paths=rule.paths if rule.comment else tuple(sorted(rule.paths)))
        for rule in sorted(merged.values(), key=lambda rule: (rule.order, len(rule.rights), in_order(rule.rights)))
    ]


def _comment(rule: _Rule) -> str:
    """Return what the rule is for; in a second line, which protected place the command needs."""
    if rule.comment:
        return rule.comment
    what = rule.purpose or _TITLES[rule.topic]
    users = f" (for {_listed(rule.processes)})" if rule.processes else ""
    protected = f"\nProtected, but needed: {rule.opens}" if rule.opens else ""
    return f"{printable(f'{what[0].upper()}{what[1:]}{users}')}{protected}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join((*names[:_MAX_NAMES], *([f"and {more} more"] if more > 0 else [])))


def _port_comment(rights: RightSet) -> str:
    served = any(right.startswith("bind") for right in rights)
    called = any(right.startswith("connect") for right in rights)
    return "Ports, " + ("served and called" if served and called else "served" if served else "called")


def _apply(document: PolicyDocument, edits: Iterable[Edit]) -> Learned:
    problems = []
    for edit in edits:
        try:
            document = document.apply(edit)
        except EditError as error:
            problems.append(str(error))
    return Learned(document, tuple(problems))
