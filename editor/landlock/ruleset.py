"""Turns plain values into a ruleset in the kernel: reduced to the ABI at hand, built, enforced.

Best effort is the convention (a policy for a newer kernel still protects on an older one), but never silently: whatever
could not be enforced or granted is returned as a note.
"""

import errno
import os
import stat
from typing import Any, Literal, NamedTuple

from editor.landlock import kernel
from editor.landlock.rights import (
    DIRECTORY_RIGHTS,
    NO_RIGHTS,
    UNKNOWN_ABI,
    RightSet,
    in_order,
    right_of,
    rights_of,
    to_mask,
    unnamed,
)

NoteKind = Literal["abi_lost", "missing_path", "not_for_file", "unnamed", "unreadable"]

# The finding of ``paddock check`` with the same cause.
FINDING_IDS: dict[NoteKind, str] = {
    "abi_lost": "newer-than-kernel",
    "missing_path": "missing-path",
    "not_for_file": "file-right",
    "unnamed": "unnamed-right",
    "unreadable": "unreadable-path",
}


class PathGrant(NamedTuple):
    """Rights beneath ``path``, which may be relative to the working directory of the process that builds."""

    path: str
    rights: RightSet


class PortGrant(NamedTuple):
    """Rights on one port."""

    port: int
    rights: RightSet


class RulesetSpec(NamedTuple):
    """The contents of a ruleset as plain values, which can be sent to another process as JSON."""

    handled_fs: RightSet
    handled_net: RightSet
    scoped: RightSet
    paths: tuple[PathGrant, ...]
    ports: tuple[PortGrant, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; ``from_json`` is the inverse."""
        return {
            "handled_fs": in_order(self.handled_fs),
            "handled_net": in_order(self.handled_net),
            "scoped": in_order(self.scoped),
            "paths": [[grant.path, in_order(grant.rights)] for grant in self.paths],
            "ports": [[grant.port, in_order(grant.rights)] for grant in self.ports],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RulesetSpec":
        """Return the spec that ``to_json`` wrote."""
        return cls(
            frozenset(data["handled_fs"]),
            frozenset(data["handled_net"]),
            frozenset(data["scoped"]),
            tuple(PathGrant(path, frozenset(rights)) for path, rights in data["paths"]),
            tuple(PortGrant(port, frozenset(rights)) for port, rights in data["ports"]),
        )


class Note(NamedTuple):
    """Something in a spec that is not enforced or granted as written. ``message`` is a whole sentence.

    ``subject`` is the path or port of the rule, empty if the whole ruleset is meant.
    """

    kind: NoteKind
    subject: str
    rights: RightSet
    message: str

    @property
    def text(self) -> str:
        """One line that stands alone: the subject, the sentence and the id of the finding."""
        subject = f"{self.subject}: " if self.subject else ""
        return f"{subject}{self.message} [{FINDING_IDS[self.kind]}]"


class BuiltRuleset(NamedTuple):
    """A ruleset in the kernel. ``fd`` is None if nothing of the spec can be enforced at ``abi``.

    ``spec`` is what is enforced, without anything that ``notes`` says was dropped.
    """

    fd: int | None
    abi: int
    spec: RulesetSpec
    notes: tuple[Note, ...]


def _lost_message(rights: RightSet, abi: int) -> str:
    came = {name: right_of(name).abi for name in in_order(rights)}
    wanted = ", ".join(
        f"{name} ({'no ABI known to Paddock' if since == UNKNOWN_ABI else f'ABI {since}'})"
        for name, since in came.items()
    )
    return f"Not restricted at ABI {abi}, which does not know: {wanted}."


def _unnamed_message(rights: RightSet) -> str:
    return (
        f"Restricted, because this kernel knows it: {', '.join(in_order(rights))}. "
        "Paddock does not, so no report shows its denials."
    )


def degrade(spec: RulesetSpec, abi: int, beyond: RightSet = NO_RIGHTS) -> tuple[RulesetSpec, tuple[Note, ...]]:
    """Return ``spec`` without what ``abi`` does not know, and notes on what was lost.

    Rules without remaining rights are dropped. Dropping ``refer`` permits nothing: an ABI 1 kernel always denies it.
    ``beyond`` are rights without a name that the kernel knows nevertheless.
    """
    fs, net, scoped = rights_of("fs", abi) | beyond, rights_of("net", abi) | beyond, rights_of("scope", abi) | beyond
    lost = (spec.handled_fs - fs) | (spec.handled_net - net) | (spec.scoped - scoped)
    paths = (PathGrant(grant.path, grant.rights & fs) for grant in spec.paths)
    ports = (PortGrant(grant.port, grant.rights & net) for grant in spec.ports)
    kept = RulesetSpec(
        spec.handled_fs & fs,
        spec.handled_net & net,
        spec.scoped & scoped,
        tuple(grant for grant in paths if grant.rights),
        tuple(grant for grant in ports if grant.rights),
    )
    notes: list[Note] = []
    if lost - {"refer"}:
        notes.append(Note("abi_lost", "", lost - {"refer"}, _lost_message(lost - {"refer"}, abi)))
    if "refer" in lost:
        message = f"Moving files between directories stays denied everywhere at ABI {abi}: refer was added in ABI 2."
        notes.append(Note("abi_lost", "", frozenset({"refer"}), message))
    return kept, tuple(notes)


def _known_beyond(spec: RulesetSpec) -> RightSet:
    """Return the unnamed rights of ``spec`` that this kernel knows; only the kernel can say."""
    bits = map(right_of, unnamed(spec.handled_fs | spec.handled_net | spec.scoped))
    return frozenset(right.name for right in bits if kernel.knows(right.kind, 1 << right.bit))


def _open_failed(grant: PathGrant, error: OSError) -> Note:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Note("missing_path", grant.path, grant.rights, "The path does not exist: its rule grants nothing.")
    return Note("unreadable", grant.path, grant.rights, f"{error.strerror}: the rule on this path grants nothing.")


def _add_path(ruleset_fd: int, grant: PathGrant) -> tuple[PathGrant | None, Note | None]:
    """Add a rule for ``grant``; return what the kernel has accepted (None: nothing), and a note on the rest."""
    try:
        parent_fd = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        failure = error if isinstance(error, OSError) else OSError(errno.EINVAL, "A path cannot contain a NUL")
        return None, _open_failed(grant, failure)
    try:
        note = None
        rights = grant.rights
        if not stat.S_ISDIR(os.fstat(parent_fd).st_mode):
            dropped = (rights & DIRECTORY_RIGHTS) | _refused(ruleset_fd, parent_fd, unnamed(rights))
            rights -= dropped
            names = ", ".join(in_order(dropped))
            if dropped:
                note = Note(
                    "not_for_file", grant.path, dropped, f"Not a directory, so {names} cannot be granted on it."
                )
        if not rights:
            return None, note
        try:
            kernel.add_path_rule(ruleset_fd, parent_fd, to_mask(rights))
        except kernel.LandlockError as error:
            if error.errno != errno.EBADFD:
                raise
            return None, Note("unreadable", grant.path, rights, "A rule cannot refer to files of this kind.")
        return PathGrant(grant.path, rights), note
    finally:
        os.close(parent_fd)


def _refused(ruleset_fd: int, parent_fd: int, rights: RightSet) -> RightSet:
    """Return those of ``rights`` that the kernel refuses to grant on an object that is not a directory."""
    refused = set[str]()
    for name in rights:
        try:
            kernel.add_path_rule(ruleset_fd, parent_fd, to_mask((name,)))
        except kernel.LandlockError as error:
            if error.errno == errno.EINVAL:  # any other error comes back with the remaining rights
                refused.add(name)
    return frozenset(refused)


def build(spec: RulesetSpec, abi: int | None = None) -> BuiltRuleset:
    """Build ``spec`` in the kernel, reduced to the kernel's ABI, or to the older ``abi`` to simulate.

    Rule paths are opened here with O_PATH, following symlinks: a rule belongs to what they lead to at this moment.
    Raises LandlockUnavailable without Landlock, LandlockError for any other refusal. The caller closes ``fd``.
    """
    kernel_abi = kernel.query_abi()
    used = kernel_abi if abi is None else min(abi, kernel_abi)
    beyond = _known_beyond(spec) if used == kernel_abi else NO_RIGHTS
    kept, notes = degrade(spec, used, beyond)
    if beyond:
        notes = (*notes, Note("unnamed", "", beyond, _unnamed_message(beyond)))
    if not (kept.handled_fs or kept.handled_net or kept.scoped):
        return BuiltRuleset(None, used, kept, notes)
    ruleset_fd = kernel.create_ruleset(
        to_mask(kept.handled_fs), to_mask(kept.handled_net), to_mask(kept.scoped), kernel_abi
    )
    paths: list[PathGrant] = []
    path_notes: list[Note] = []
    try:
        for grant in kept.paths:
            added, note = _add_path(ruleset_fd, grant)
            if added is not None:
                paths.append(added)
            if note is not None:
                path_notes.append(note)
        for port_grant in kept.ports:
            kernel.add_port_rule(ruleset_fd, port_grant.port, to_mask(port_grant.rights))
    except BaseException:
        os.close(ruleset_fd)
        raise
    return BuiltRuleset(ruleset_fd, used, kept._replace(paths=tuple(paths)), (*notes, *path_notes))


def enforce(built: BuiltRuleset, flags: int = 0) -> None:
    """Restrict the calling thread with ``built``, irreversibly. Always sets no_new_privs. Raises LandlockError.

    ``flags`` are ``kernel.LOG_*`` bits; those that the kernel's ABI does not know are dropped, because they only change
    logging.
    """
    kernel.set_no_new_privs()
    if built.fd is None:
        return
    kernel_abi = kernel.query_abi()
    known = sum(1 << flag.bit for flag in kernel.RESTRICT_FLAGS if flag.abi <= kernel_abi)
    kernel.restrict_self(built.fd, flags & known)
