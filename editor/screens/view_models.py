"""Turn the values of the draft into the values that widgets show, with all text made printable."""

import os
import socket
import stat
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Grant
from editor.evaluation.own_process import SELF, THREAD_SELF
from editor.evaluation.resolve import ResolvedPath
from editor.landlock.abi import ABI_VERSIONS
from editor.landlock.rights import (
    DIRECTORY_RIGHTS,
    FS_RIGHTS,
    NET_RIGHTS,
    NO_RIGHTS,
    SCOPES,
    UNKNOWN_ABI,
    RightSet,
    in_order,
    right_of,
    unnamed,
)
from editor.policy.model import Location, PathRule, PortRule, RuleRef
from editor.sandbox.verdicts.report import Access
from editor.workspace.composition import Composition
from editor.workspace.notifying import Changes
from editor.workspace.samples import SampleDraft
from editor.workspace.workspace import Workspace
from widgets.access_rows import AccessRow
from widgets.handled_panel import HandledRow
from widgets.ports_panel import PortRow
from widgets.rights_panel import RightState, Source
from widgets.status_line import Status
from widgets.tree_model import RowKind, TreeRow

_KERNELS = {version.number: version.kernel for version in ABI_VERSIONS}


def rule_text(ref: RuleRef) -> str:
    """Return a rule in one short line: file, line and text."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}  {printable(ref.rule)}"


def template_of(ref: RuleRef) -> str:
    """Return the path of a rule as written, printable, if it uses a variable; else an empty string."""
    template = ref.rule.removeprefix('path_beneath "').removesuffix('"')
    return printable(template) if "${" in template and template != ref.rule else ""


def _from(grants: Iterable[Grant]) -> str:
    """Return where rights come from, for the end of a tree row."""
    paths = list(dict.fromkeys(printable(grant.path) for grant in grants))
    if not paths:
        return ""
    return paths[0] if len(paths) == 1 else f"{paths[0]} +{len(paths) - 1}"


class _Reach(NamedTuple):
    """What applies to one object: the rights of rules on it, those of rules above, and these rules."""

    given: RightSet
    inherited: RightSet
    above: tuple[Grant, ...]
    here: tuple[Grant, ...]


class _Overlay(NamedTuple):
    """What rows are made from, derived from one state of the draft.

    ``absent`` lists the rule paths that do not exist by their deepest existing directory, ``missing`` by the path.
    """

    decider: Decider
    absent: dict[str, list[str]]
    missing: dict[str, tuple[str, ResolvedPath]]


def _overlay(workspace: Workspace) -> _Overlay:
    resolved = workspace.resolved
    absent: dict[str, list[str]] = {}
    missing: dict[str, tuple[str, ResolvedPath]] = {}
    known: dict[str, str] = {}
    for each in resolved.paths:
        if each.identity is None and each.path:
            path = os.path.normpath(resolved.absolute(each.path))
            parent = _deepest_directory(os.path.dirname(path), known)
            missing[path] = parent, each
            absent.setdefault(parent, []).append(path)
    return _Overlay(
        # A decider of our own, as the workspace's is used by other threads.
        Decider(resolved, workspace.abi, near=workspace.decider),
        absent,
        missing,
    )


def _deepest_directory(path: str, known: dict[str, str]) -> str:
    """Return the deepest existing directory of ``path``, symlinks resolved. ``known`` caches the answers."""
    found = known.get(path)
    if found is None:
        found = os.path.realpath(path) if path == "/" or os.path.isdir(path) else None
        found = known[path] = found or _deepest_directory(os.path.dirname(path), known)
    return found


class Filesystem:
    """The filesystem with the rights that the draft grants: the source of the tree.

    It is updated in the thread that changes the draft, so that the event loop never has to. The event loop asks it for
    single rows, other threads for whole directories. The decider is not thread-safe: a lock protects it, held for one
    row at a time.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._overlay = _overlay(workspace)
        workspace.subscribe(self._follow)

    def _follow(self, change: Changes) -> None:
        if "document" in change:
            self._overlay = _overlay(self._workspace)

    def _reach(self, overlay: _Overlay, path: str, *, is_dir: bool) -> _Reach:
        grants = overlay.decider.inherited(path)
        dropped = NO_RIGHTS if is_dir else DIRECTORY_RIGHTS
        here = tuple(grant for grant in grants if grant.here)
        above = tuple(grant for grant in grants if not grant.here and grant.rights - dropped)
        given = NO_RIGHTS.union(*(grant.rights for grant in here)) - dropped
        inherited = NO_RIGHTS.union(*(grant.rights for grant in above)) - dropped
        return _Reach(given, inherited, above, here)

    # TreeSource

    def row(self, path: str) -> TreeRow:
        """Return the row of ``path`` as it is now."""
        overlay = self._overlay
        try:
            status = os.lstat(path)
        except (OSError, ValueError):
            return _absent_row(overlay, path)
        with self._lock:
            return self._row(overlay, path, status)

    def children(self, path: str) -> list[TreeRow]:
        """Return the rows of a directory: directories first, then by name, then rule paths that do not exist.

        Raises OSError if the directory cannot be read.
        """
        overlay = self._overlay
        with self._lock:
            reached = self._reach(overlay, path, is_dir=True)
        inodes, targets = overlay.decider.inodes, overlay.decider.targets
        rows: list[TreeRow] = []
        inherited = reached.given | reached.inherited
        source = _from(grant for grant in (*reached.here, *reached.above))
        of_file = tuple(in_order(inherited - DIRECTORY_RIGHTS))
        of_directory = tuple(in_order(inherited))
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    is_link = entry.is_symlink()
                    is_dir = not is_link and entry.is_dir(follow_symlinks=False)
                    plain = not is_link and entry.inode() not in inodes and entry.path not in targets
                    if plain:  # like nearly all, without a rule of its own
                        is_file = is_dir or entry.is_file(follow_symlinks=False)
                        kind: RowKind = "dir" if is_dir else "file" if is_file else "other"
                        rights = of_directory if is_dir else of_file
                        label = printable(entry.name)
                        rows.append(
                            TreeRow(entry.path, label, kind, None, (), rights, source if rights else "", "", is_dir)
                        )
                        continue
                    status = os.lstat(entry.path)
                except OSError:  # removed in the meantime
                    continue
                with self._lock:
                    rows.append(self._row(overlay, entry.path, status))
        rows.sort(key=lambda row: (not row.expandable, row.label.casefold(), row.label))
        rows += [_absent_row(overlay, each) for each in overlay.absent.get(os.path.realpath(path), ())]
        return rows

    def _row(self, overlay: _Overlay, path: str, status: os.stat_result) -> TreeRow:
        label = printable(os.path.basename(path)) or "/"
        link_target = None
        note = ""
        expandable = is_dir = stat.S_ISDIR(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            try:
                is_own = path in (SELF, THREAD_SELF)  # not that of the screen, whose number the link has
                link_target = "the command's own" if is_own else printable(os.readlink(path))
                is_dir = os.path.isdir(path)
                if not os.path.exists(path):
                    note = "broken link"
            except OSError as error:
                note = error.strerror or ""
        reached = self._reach(overlay, path, is_dir=is_dir)
        kind: RowKind = "link" if link_target is not None else "dir" if is_dir else "file"
        if kind == "file" and not stat.S_ISREG(status.st_mode):
            kind = "other"
        names = [grant.path for grant in reached.here]
        own = os.path.normpath(path)
        if not note:
            note = next((template for grant in reached.here if (template := template_of(grant.ref))), "")
        written = [
            printable(name) for name in names if os.path.normpath(overlay.decider.resolved.absolute(name)) != own
        ]
        # A symlink shows its target; a hard link or the target of a symlink in a rule needs a note.
        if written and len(written) == len(names) and link_target is None:
            note = f"by the rule on {written[0]}"
        return TreeRow(
            path,
            label,
            kind,
            link_target,
            tuple(in_order(reached.given)),
            tuple(in_order(reached.inherited)),
            _from(reached.above),
            note,
            expandable,
        )


def _absent_row(overlay: _Overlay, path: str) -> TreeRow:
    """Return the row of a path that does not exist: one in a rule, or one that was just removed."""
    found = overlay.missing.get(path)
    if found is None:
        return TreeRow(path, printable(os.path.basename(path)), "missing", None, (), (), "", "is gone", False)
    parent, rule = found
    label = printable(os.path.relpath(path, parent))
    note = " ".join(["does not exist", *dict.fromkeys(filter(None, (template_of(each.ref) for each in rule.refs)))])
    return TreeRow(path, label, "missing", None, tuple(in_order(rule.rights)), (), "", note, False)


def new_file_notice(file: str, sample: SampleDraft | None) -> str:
    """Return the message that ``file`` is new and what it starts with."""
    path = printable(file)
    if sample is None:
        return f"{path} is new: all rights are handled, none are granted. Saving creates it."
    taken = f"\n{printable(sample.taken)} already exists, hence the name." if sample.taken else ""
    return f"{path} is new, copied from the sample policy {sample.name}. Saving creates it.{taken}"


def status_of(draft: Workspace, composition: Composition, running: str) -> Status:
    """Return the status of ``draft``, the current one, and of the other files. ``running`` is what is in progress."""
    files = composition.workspaces
    problem = next(filter(None, (_problem_of(each, draft) for each in (draft, *files))), "")
    abi = f"ABI {draft.abi}" if draft.kernel.abi else "no Landlock"
    if draft.abi < draft.kernel.effective_abi:
        abi += " (simulated)"
    name = printable(draft.path) + (" (new)" if draft.is_new else "")
    if len(files) > 1:
        others = ", others unsaved" if any(each is not draft for each in composition.unsaved) else ""
        name += f" ({files.index(draft) + 1} of {len(files)} files{others})"
    return Status(name, draft.is_dirty, problem, abi, running)


def _problem_of(file: Workspace, current: Workspace) -> str:
    """Return what is wrong with one of the files."""
    if file.conflict is None:
        return printable(str(file.problem or ""))
    if file is current:
        return "changed on disk: press ctrl+s"
    return f"{printable(file.path)} changed on disk: press f to choose it, then ctrl+s"


def rules_here(workspace: Workspace, path: str) -> tuple[Grant, ...]:
    """Return the rules on the object ``path`` itself, whatever their spelling. If it does not exist: on that path."""
    if not os.path.lexists(path):
        rule = workspace.rule_at(path)
        return () if rule is None else tuple(Grant(rule.path, each.rights, each.ref, True) for each in rule.refs)
    return tuple(grant for grant in workspace.decider.inherited(path) if grant.here)


def right_states(workspace: Workspace, path: str) -> tuple[RightState, ...]:
    """Return the state of every filesystem right on ``path``. Rights without a name are included if handled."""
    dropped = DIRECTORY_RIGHTS if os.path.exists(path) and not os.path.isdir(path) else NO_RIGHTS
    here = rules_here(workspace, path)
    above = tuple(grant for grant in workspace.decider.inherited(path) if not grant.here)
    handled = workspace.resolved.handled_fs
    enforced = workspace.abi if workspace.kernel.abi else 0
    states = []
    for right in (*FS_RIGHTS, *map(right_of, in_order(unnamed(handled)))):
        givers = [grant for grant in here if right.name in grant.rights]
        inherited = [grant for grant in above if right.name in grant.rights]
        why = ""
        if right.name in dropped:
            why = "it applies only to directories"
        elif right.name not in handled and right.name != "refer":
            why = "not handled: allowed everywhere"
        elif right.abi > enforced:
            why = f"this kernel enforces ABI {enforced}" if enforced else "this kernel has no Landlock"
        states.append(
            RightState(
                name=right.name,
                meaning=right.meaning,
                abi=right.abi if right.abi < UNKNOWN_ABI else None,
                kernel=_KERNELS.get(right.abi, ""),
                state="here" if givers else "inherited" if inherited else "none",
                sources=tuple(_source(grant, workspace.is_composed) for grant in (*givers, *inherited)),
                handled=right.name in handled,
                enforced=right.abi <= enforced,
                applicable=right.name not in dropped,
                why=why,
            )
        )
    return tuple(states)


def _source(grant: Grant, composed: bool) -> Source:
    ref = grant.ref
    place = f"{printable(grant.path)}:{ref.line}"
    if composed:
        place = f"{printable(grant.path)}  {_place(ref, composed)}"
    template = template_of(ref)
    return Source(f"{place}  {template}" if template else place, grant.path, ref.line, ref.file)


def _place(ref: RuleRef | Location, composed: bool) -> str:
    """Return the line of a rule, with its file if there are several."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}" if composed else str(ref.line)


def port_rows(workspace: Workspace) -> tuple[PortRow, ...]:
    """Return the port rules, by number."""
    rows = []
    for each in sorted(workspace.resolved.ports):
        refs = sorted({grant.ref for grant in each.refs})
        sources = tuple(dict.fromkeys(_place(ref, workspace.is_composed) for ref in refs))
        rows.append(PortRow(each.port, _service(each.port), tuple(in_order(each.rights)), sources))
    return tuple(rows)


def _service(port: int) -> str:
    for protocol in ("tcp", "udp"):
        try:
            return printable(socket.getservbyport(port, protocol))
        except (OSError, OverflowError):
            continue
    return ""


def handled_rows(workspace: Workspace) -> tuple[HandledRow, ...]:
    """Return every right and scope with its state. Those without a name are included if handled."""
    policy, resolved = workspace.whole, workspace.resolved
    granted: dict[str, str] = {}
    seen: set[RightSet] = set()
    rules: Iterator[PathRule | PortRule] = chain(policy.path_rules, policy.port_rules)
    for rule in rules:
        if rule.rights not in seen:  # among thousands of rules, most have the same rights as another
            seen.add(rule.rights)
            for name in rule.rights:
                granted.setdefault(name, f"granted on line {_place(rule.location, workspace.is_composed)}")
    enforced = workspace.abi if workspace.kernel.abi else 0
    on = resolved.handled_fs | resolved.handled_net | resolved.scoped
    beyond = tuple(map(right_of, in_order(unnamed(on))))
    return tuple(
        HandledRow(
            name=right.name,
            kind=right.kind,
            abi=right.abi if right.abi < UNKNOWN_ABI else None,
            handled=right.name in on,
            locked=right.name in granted,
            why=granted.get(right.name, ""),
            enforced=right.abi <= enforced,
        )
        for kind, known in (("fs", FS_RIGHTS), ("net", NET_RIGHTS), ("scope", SCOPES))
        for right in (*known, *(each for each in beyond if each.kind == kind))
    )


def access_subject(access: Access) -> str:
    """Return what an access was on: a path or a port."""
    if access.port is not None:
        return f"port {access.port}"
    path = printable(access.path or access.object_path or "")
    return path if access.old_path is None else f"{printable(access.old_path)} -> {path}"


def access_row(access: Access) -> AccessRow:
    """Return a row of the Denied or Allowed table."""
    shown = access.missing or access.rights
    return AccessRow(
        key=access.key(),
        rights=", ".join(in_order(shown)) or access.syscall,
        subject=access_subject(access),
        process=printable(access.process),
        times=access.times,
        errno=access.errno or "",
        syscall=access.syscall,
        rule=rule_text(access.decided_by[0]) if access.decided_by else "",
        reason=printable(access.reason),
        verdict=access.verdict,
        confirmed=access.confirmed,
        access=access,
        from_audit=access.observed == "audit",
    )
