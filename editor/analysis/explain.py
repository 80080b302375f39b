"""``paddock explain``: is a path, port or scope allowed, by which rules, and what would change the answer."""

import os
from typing import Any, Literal, NamedTuple

from editor.analysis.execution import EXECUTING, OpenedFile, find_command, is_program, opened_files
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.evaluation.mounts import Mount, read_mounts
from editor.evaluation.own_process import SELF, THREAD_SELF, leaves_proc, own_process_path, real_path
from editor.evaluation.path_walk import MAX_LINKS
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.rights import (
    FS_RIGHTS,
    LATEST_ABI,
    NET_RIGHTS,
    SCOPES,
    UNKNOWN_ABI,
    Kind,
    RightSet,
    in_order,
    kind_of,
    listed,
    mask_of,
    named_bits,
    right_of,
)
from editor.policy.model import Policy, RuleRef
from editor.sandbox.verdicts.report import AbiUsed, Access
from editor.suggest.planning import make_plan

TargetKind = Literal["path", "port", "scope"]
Answer = Literal["allowed", "denied", "uncontrolled"]

# Rights checked on the directory in which something is made, removed or moved.
_PARENT_RIGHTS: RightSet = frozenset(
    right.name for right in FS_RIGHTS if right.name.startswith(("make_", "remove_")) or right.name == "refer"
)
_CONNECTING = {"tcp": "connect_tcp", "udp": "connect_send_udp"}


class TargetError(ValueError):
    """A target that makes no sense. The message is a sentence."""


class Target(NamedTuple):
    """What to explain: the target and the rights asked for. ``name`` is the path or the scope.

    ``text`` is as given: of a command that PATH leads to, only its name.
    """

    kind: TargetKind
    text: str
    rights: tuple[str, ...]
    name: str = ""
    port: int | None = None


class RightAnswer(NamedTuple):
    """The answer for one right. ``reason`` is a sentence, empty if a rule simply allows it."""

    right: str
    answer: Answer
    decided_by: tuple[RuleRef, ...]
    reason: str
    errno: str | None


class LevelGrant(NamedTuple):
    """The rights that one rule grants at a level of the hierarchy."""

    rights: RightSet
    ref: RuleRef


class Level(NamedTuple):
    """The object or a directory above it, up to the root; ``mount`` is what is mounted right there."""

    path: str
    grants: tuple[LevelGrant, ...]
    mount: Mount | None = None


class Link(NamedTuple):
    """A symbolic link followed on the way to the object: its absolute path, free of links, and its target."""

    path: str
    target: str


class Explanation(NamedTuple):
    """The result of ``paddock explain``. ``object_path`` is the path that was checked, free of symbolic links.

    ``notes`` and ``changes`` are sentences: facts about the object, and what would change the answer. ``opens`` is what
    executing the target opens, if that was asked for.
    """

    policy: str
    target: Target
    abi: AbiUsed
    object_path: str | None
    answers: tuple[RightAnswer, ...]
    levels: tuple[Level, ...]
    notes: tuple[str, ...]
    changes: tuple[str, ...]
    links: tuple[Link, ...] = ()
    opens: tuple[OpenedFile, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether no right asked for is denied, on the target or on what executing it opens."""
        return all(answer.answer != "denied" for answer in self.answers) and not self.denied_files

    @property
    def denied_files(self) -> tuple[OpenedFile, ...]:
        """What executing the target opens and the policy denies."""
        return tuple(file for file in self.opens if file.verdict == "denied")

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``paddock explain --format json`` prints."""
        return {
            "policy": self.policy,
            "target": self.target.text,
            "kind": self.target.kind,
            "abi": self.abi._asdict(),
            "allowed": self.allowed,
            "object": self.object_path,
            "port": self.target.port,
            "rights": [
                {
                    "right": answer.right,
                    "verdict": answer.answer,
                    "decided_by": [ref._asdict() for ref in answer.decided_by],
                    "reason": answer.reason,
                    "errno": answer.errno,
                }
                for answer in self.answers
            ],
            "hierarchy": [
                {
                    "path": level.path,
                    "grants": [{"rights": in_order(each.rights), **each.ref._asdict()} for each in level.grants],
                    "mount": None
                    if level.mount is None
                    else {"type": level.mount.kind, "root": level.mount.root, "bind": level.mount.is_bind},
                }
                for level in self.levels
            ],
            "links": [link._asdict() for link in self.links],
            "notes": list(self.notes),
            "changes": list(self.changes),
            **({"opens": [file.to_json() for file in self.opens]} if self.opens else {}),
        }


def parse_target(text: str, rights: tuple[str, ...]) -> Target:
    """Return the target of ``text``: a path, ``tcp:443``, ``tcp:https``, ``udp:53`` or ``scope:signal``.

    ``rights`` are the rights asked for; without any, the most likely ones are chosen. A file whose name looks like a
    port is written with ``./`` in front. A name that is no file in the working directory, but a command, is the file
    that PATH leads to. Raises TargetError.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "scope":
        _check(rights, (rest,), text, "scope")
        _check((rest,), tuple(right.name for right in SCOPES), "scope:", "scope")
        return Target("scope", text, (rest,), name=rest)
    if colon and scheme in _CONNECTING:
        known = tuple(right.name for right in NET_RIGHTS if right.name.endswith(scheme))
        _check(rights, known, text, "net")
        return Target("port", text, rights or (_CONNECTING[scheme],), port=_port(rest, scheme))
    if not text:
        raise TargetError("The path is empty.")
    _check(rights, tuple(right.name for right in FS_RIGHTS), printable(text), "fs")
    name = text
    if EXECUTING.issuperset(rights) and "/" not in text and not os.path.lexists(text):
        name = find_command(text) or text
    if not rights:
        if os.path.isdir(name) or name.endswith("/"):
            rights = ("read_dir",)
        else:
            rights = tuple(in_order(EXECUTING)) if is_program(name) else ("read_file",)
    return Target("path", text, rights, name=name)


def _check(names: tuple[str, ...], known: tuple[str, ...], subject: str, kind: Kind) -> None:
    """Raise TargetError for a name that is neither ``known`` nor an unnamed right of ``kind``."""
    for name in names:
        mask = mask_of(name)
        beyond = mask is not None and kind_of(name) == kind and not named_bits(kind, mask)
        if name not in known and not beyond:
            raise TargetError(f"Unknown right '{printable(name)}' for {subject}. Choose from {', '.join(known)}.")


def _port(text: str, protocol: str) -> int:
    if text.isascii() and text.isdigit():
        if int(text) <= 65535:
            return int(text)
        raise TargetError(f"{text} is not a port: ports are 0 to 65535.")
    import socket  # noqa: PLC0415 only for names

    try:
        return socket.getservbyname(text, protocol)
    except (OSError, UnicodeError) as error:
        raise TargetError(f"Unknown {protocol} service '{printable(text)}': /etc/services does not list it.") from error


def explain(
    policy: Policy, target: Target, abi: AbiUsed, *, with_libraries: bool = False, in_layers: bool = False
) -> Explanation:
    """Return the answer for ``target`` under ``policy`` when Landlock ABI ``abi.enforced`` enforces it.

    A program is explained with all that executing it opens, ``with_libraries`` also with what its loader loads.
    ``in_layers``: the policy is one of several layers, of which one or more restrict files.
    """
    resolved = resolve(policy)
    decider = Decider(resolved, abi.enforced)
    if in_layers:
        decider.apply_implicit_refer()
    answers = []
    found: list[Decision] = []
    for right in dict.fromkeys(target.rights):
        decision = _decide(decider, target, _checked_path(target, right), right)
        verdict: Answer = "denied" if not decision.allowed else "uncontrolled" if decision.uncontrolled else "allowed"
        answers.append(RightAnswer(right, verdict, decision.decided_by, decision.reason, decision.errno))
        found.append(decision)
    levels: tuple[Level, ...] = ()
    notes: tuple[str, ...] = ()
    object_path = found[0].object if found else None
    if target.kind == "path" and object_path is not None:
        levels = _levels(resolved, decider, object_path)
        notes = _notes(target, object_path)
    elif "connect_send_udp" in target.rights:
        notes = _binding_notes(decider)
    opens: tuple[OpenedFile, ...] = ()
    if target.kind == "path" and os.path.isfile(target.name) and "execute" in target.rights:
        opens = opened_files(target.name, decider, with_libraries=with_libraries)
    refused = [
        _denial(target, frozenset({answer.right}), decision.missing, decision.object, answer.reason)
        for answer, decision in zip(answers, found, strict=True)
        if answer.answer == "denied"
    ]
    refused += [
        _denial(target, file.rights, file.missing, file.object_path, file.reason)
        for file in opens
        if file.verdict == "denied"
    ]
    changes = [proposal.sentence for proposal in make_plan(refused, resolved, fold="exact", promises=False).proposals]
    for answer, decision in zip(answers, found, strict=True):
        if answer.answer != "denied":
            changes += _restrictions(target, answer, decision, abi.enforced)
    links = _links(target.name) if target.kind == "path" else ()
    changes = list(dict.fromkeys(changes))
    return Explanation(
        policy.file, target, abi, object_path, tuple(answers), levels, notes, tuple(changes), links, opens
    )


def _checked_path(target: Target, right: str) -> str:
    """Return the path on which ``right`` is checked: the parent directory for making, removing and moving."""
    path = target.name
    if right not in _PARENT_RIGHTS or os.path.isdir(path):
        return path
    return os.path.dirname(path.rstrip("/")) or ("/" if path.startswith("/") else ".")


def _decide(decider: Decider, target: Target, path: str, right: str) -> Decision:
    if target.port is not None:
        return decider.port(target.port, right)
    if target.kind == "scope":
        return decider.scope(right)
    return decider.file(path, frozenset({right}))


def _levels(resolved: ResolvedPolicy, decider: Decider, object_path: str) -> tuple[Level, ...]:
    """Return the object and every directory above it, each with what rules on that very path grant."""
    identities = {path.path: path.identity for path in resolved.paths}
    grants = decider.inherited(object_path)
    mounts = {mount.point: mount for mount in read_mounts()}  # of several at one path, the last is visible
    levels = []
    for path, identity in decider.hierarchy(object_path):
        own = tuple(LevelGrant(each.rights, each.ref) for each in grants if identities.get(each.path) == identity)
        levels.append(Level(path, own, mounts.get(path)))
    return tuple(levels)


def _links(path: str) -> tuple[Link, ...]:
    """Return the symbolic links followed on the way to ``path``, in order."""
    found: list[Link] = []
    names = os.path.join(os.getcwd(), path).split("/")[::-1]
    real = "/"
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            real = os.path.dirname(real)
            continue
        here = os.path.join(real, name)
        if here in (SELF, THREAD_SELF):  # the command's own, whatever its number will be
            real = here
            continue
        try:
            text = os.readlink(here)
        except (OSError, ValueError):  # not a link, or missing; ValueError: a NUL in the path
            real = here
            continue
        if len(found) == MAX_LINKS:
            break
        found.append(Link(here, text))
        names += text.split("/")[::-1]
        real = "/" if text.startswith("/") else real
    return tuple(found)


def _notes(target: Target, object_path: str) -> tuple[str, ...]:
    spelled = os.path.abspath(target.name)
    shown = printable(target.name)
    if not os.path.lexists(spelled):
        return (f"{shown} does not exist, so {printable(object_path)} decides.",)
    try:
        os.stat(spelled)
    except OSError as error:
        return (f"{shown} cannot be examined ({error.strerror}), so {printable(object_path)} decides.",)
    notes = []
    if target.text != target.name:
        notes.append(f"{printable(target.text)} is no file in this directory; as a command, it is {shown}.")
    real = real_path(spelled)
    if real != spelled:
        notes.append(f"{shown} resolves to {printable(real)}, which decides.")
    if own := own_process_path(spelled):
        notes.append(_own_process_note(shown, own))
    if object_path != real:
        names = listed(_PARENT_RIGHTS & set(target.rights))
        notes.append(f"{names} is checked on the directory {printable(object_path)}.")
    return tuple(notes)


def _own_process_note(shown: str, own: str) -> str:
    """Return what to know about a path that every process resolves for itself; ``own`` is the one below /proc/self."""
    if own.endswith("/exe"):
        return f"{shown} is Paddock itself here, but the program in the command: explain the program's path instead."
    if leaves_proc(own):
        return f"{shown} depends on the process: this answer is for the command when it starts from here."
    return f"{shown} is that of the command's own process: a rule on it does not cover the processes that it starts."


def _binding_notes(decider: Decider) -> tuple[str, ...]:
    """Return what the kernel checks besides, for a UDP socket that connects or sends (security/landlock/net.c)."""
    if decider.port(0, "bind_udp").allowed:
        return ()
    return ("This also binds an unbound UDP socket to a free port, which needs bind_udp on port 0: not granted.",)


def _restrictions(target: Target, answer: RightAnswer, decision: Decision, abi: int) -> list[str]:
    """Return what would deny a right that is not denied, as sentences."""
    right = answer.right
    if answer.answer == "uncontrolled":
        since = right_of(right).abi
        if since > abi:
            if since == UNKNOWN_ABI:
                return [f"Only a kernel with an ABI newer than {LATEST_ABI} can restrict {right}."]
            return [f"A kernel with Landlock ABI {since} or later can restrict {right}."]
        if right in decision.uncontrolled and decision.object is None and target.kind == "path":
            return []
        key = {"fs": "handled_access_fs", "net": "handled_access_net", "scope": "scoped"}[right_of(right).kind]
        return [f"To restrict {right}, add it to {key} in a [[ruleset]]."]
    if target.kind == "scope":
        return []
    rules = " and ".join(place(ref) for ref in answer.decided_by)
    further = "; a rule further up may still grant it" if target.kind == "path" else ""
    return [f"To deny {right}, remove it from {rules}{further}."]


def _denial(target: Target, rights: RightSet, missing: RightSet, object_path: str | None, reason: str) -> Access:
    """Return what a program would be denied, so that a grant can be proposed."""
    return Access(
        verdict="denied",
        rights=rights,
        missing=missing,
        path=target.name or None,
        object_path=object_path,
        port=target.port,
        syscall="",
        errno=None,
        process="",
        pid=0,
        times=0,
        reason=reason,
        predicted=True,
    )


def place(ref: RuleRef) -> str:
    """Return where a rule is and what it is: ``file:line (rule)``."""
    return f"{printable(ref.file)}:{ref.line} ({printable(ref.rule)})"
