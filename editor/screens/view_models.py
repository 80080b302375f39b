"""From the draft's values to the values that widgets show. No widget is touched here, and no text stays unsafe."""

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
    """A deciding rule in one short line: where it stands and what stands there."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}  {printable(ref.rule)}"


def template_of(ref: RuleRef) -> str:
    """How the string is written that a variable leads to a path from, printable; empty where it is the path itself."""
    template = ref.rule.removeprefix('path_beneath "').removesuffix('"')
    return printable(template) if "${" in template and template != ref.rule else ""


def _from(grants: Iterable[Grant]) -> str:
    """Where rights come from, for the end of a tree row."""
    paths = list(dict.fromkeys(printable(grant.path) for grant in grants))
    if not paths:
        return ""
    return paths[0] if len(paths) == 1 else f"{paths[0]} +{len(paths) - 1}"


class _Reached(NamedTuple):
    """What reaches one object: rights of rules on it, rights of rules above, and those rules."""

    given: RightSet
    inherited: RightSet
    above: tuple[Grant, ...]
    here: tuple[Grant, ...]


class _Laid(NamedTuple):
    """What rows are made of, derived from one state of the draft.

    ``absent`` are the rule paths that do not exist, by the deepest directory of each that does; ``missing`` the same by
    the path itself.
    """

    decider: Decider
    absent: dict[str, list[str]]
    missing: dict[str, tuple[str, ResolvedPath]]


def _laid(workspace: Workspace) -> _Laid:
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
    return _Laid(
        # A decider of one's own: the workspace's answers other threads.
        Decider(resolved, workspace.abi, near=workspace.decider),
        absent,
        missing,
    )


def _deepest_directory(path: str, known: dict[str, str]) -> str:
    """The deepest directory of ``path`` that exists, without symbolic links; ``known`` remembers the answers."""
    found = known.get(path)
    if found is None:
        found = os.path.realpath(path) if path == "/" or os.path.isdir(path) else None
        found = known[path] = found or _deepest_directory(os.path.dirname(path), known)
    return found


class Filesystem:
    """The filesystem with the draft laid over it: the tree's source.

    It follows the draft by itself, in whatever thread changes it, so that the screen's thread never has to. Asked from
    the screen's thread for single rows and from others for whole directories; the decider is not made for that, so a
    lock keeps them apart, and is held for one row at a time.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._laid = _laid(workspace)
        workspace.subscribe(self._follow)

    def _follow(self, change: Changes) -> None:
        if "document" in change:
            self._laid = _laid(self._workspace)

    def _reached(self, laid: _Laid, path: str, *, is_dir: bool) -> _Reached:
        grants = laid.decider.inherited(path)
        dropped = NO_RIGHTS if is_dir else DIRECTORY_RIGHTS
        here = tuple(grant for grant in grants if grant.here)
        above = tuple(grant for grant in grants if not grant.here and grant.rights - dropped)
        given = NO_RIGHTS.union(*(grant.rights for grant in here)) - dropped
        inherited = NO_RIGHTS.union(*(grant.rights for grant in above)) - dropped
        return _Reached(given, inherited, above, here)

    # What the tree asks

    def row(self, path: str) -> TreeRow:
        """One row, looked at now."""
        laid = self._laid
        try:
            status = os.lstat(path)
        except (OSError, ValueError):
            return _absent_row(laid, path)
        with self._lock:
            return self._row(laid, path, status)

    def children(self, path: str) -> list[TreeRow]:
        """The rows below a directory: directories first, then by name, then rule paths that do not exist.

        Raises OSError where the directory cannot be read.
        """
        laid = self._laid
        with self._lock:
            reached = self._reached(laid, path, is_dir=True)
        inodes, targets = laid.decider.inodes, laid.decider.targets
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
                    if plain:  # no rule of its own, as nearly all: nothing more to ask
                        is_file = is_dir or entry.is_file(follow_symlinks=False)
                        kind: RowKind = "dir" if is_dir else "file" if is_file else "other"
                        rights = of_directory if is_dir else of_file
                        label = printable(entry.name)
                        rows.append(
                            TreeRow(entry.path, label, kind, None, (), rights, source if rights else "", "", is_dir)
                        )
                        continue
                    status = os.lstat(entry.path)
                except OSError:  # gone meanwhile
                    continue
                with self._lock:
                    rows.append(self._row(laid, entry.path, status))
        rows.sort(key=lambda row: (not row.expandable, row.label.casefold(), row.label))
        rows += [_absent_row(laid, each) for each in laid.absent.get(os.path.realpath(path), ())]
        return rows

    def _row(self, laid: _Laid, path: str, status: os.stat_result) -> TreeRow:
        label = printable(os.path.basename(path)) or "/"
        link_target = None
        note = ""
        expandable = is_dir = stat.S_ISDIR(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            try:
                link_target = printable(os.readlink(path))
                is_dir = os.path.isdir(path)
                if not os.path.exists(path):
                    note = "leads nowhere"
            except OSError as error:
                note = error.strerror or ""
        reached = self._reached(laid, path, is_dir=is_dir)
        kind: RowKind = "link" if link_target is not None else "dir" if is_dir else "file"
        if kind == "file" and not stat.S_ISREG(status.st_mode):
            kind = "other"
        names = [grant.path for grant in reached.here]
        own = os.path.normpath(path)
        if not note:
            note = next((template for grant in reached.here if (template := template_of(grant.ref))), "")
        written = [printable(name) for name in names if os.path.normpath(laid.decider.resolved.absolute(name)) != own]
        # A link says itself where it leads; a hard link or the target of a rule's symlink does not.
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


def _absent_row(laid: _Laid, path: str) -> TreeRow:
    """The row of a path that does not exist (any more): one that a rule names, or one that has just gone."""
    found = laid.missing.get(path)
    if found is None:
        return TreeRow(path, printable(os.path.basename(path)), "missing", None, (), (), "", "is gone", False)
    parent, rule = found
    label = printable(os.path.relpath(path, parent))
    note = " ".join(["does not exist", *dict.fromkeys(filter(None, (template_of(each.ref) for each in rule.refs)))])
    return TreeRow(path, label, "missing", None, tuple(in_order(rule.rights)), (), "", note, False)


def nearest_row(typed: str, draft: Workspace | None) -> tuple[str, str]:
    """The path that was typed, and as much of it as has a row in the tree."""
    path = shown = os.path.abspath(os.path.expanduser(typed))
    while not os.path.lexists(shown) and not (draft and draft.rule_at(shown)):
        shown = os.path.dirname(shown)
    return path, shown


def new_file_notice(file: str, sample: SampleDraft | None) -> str:
    """Say that ``file`` is new, and how it starts."""
    path = printable(file)
    if sample is None:
        return f"{path} is new: everything is handled, nothing granted. Saving creates it."
    taken = f"\n{printable(sample.taken)} exists already, hence the name." if sample.taken else ""
    return f"{path} is new: it starts as the sample policy {sample.name}. Saving creates it.{taken}"


def status_of(draft: Workspace, composition: Composition, running: str) -> Status:
    """How ``draft``, the one that edits go to, and the other files stand; ``running`` is what is going on."""
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
    """What is wrong with one of the files."""
    if file.conflict is None:
        return printable(str(file.problem or ""))
    if file is current:
        return "changed on disk: ctrl+s decides"
    return f"{printable(file.path)} changed on disk: f chooses it, ctrl+s decides"


def rules_here(workspace: Workspace, path: str) -> tuple[Grant, ...]:
    """The rules on the object ``path`` itself, by whatever name; for a path that does not exist, those that name it."""
    if not os.path.lexists(path):
        rule = workspace.rule_at(path)
        return () if rule is None else tuple(Grant(rule.path, each.rights, each.ref, True) for each in rule.refs)
    return tuple(grant for grant in workspace.decider.inherited(path) if grant.here)


def right_states(workspace: Workspace, path: str) -> tuple[RightState, ...]:
    """Every filesystem right as it stands for ``path``; rights without a name only where the policy handles them."""
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
            why = "only directories can hold it"
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
    """The line that a rule stands on, with its file where there are several."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}" if composed else str(ref.line)


def port_rows(workspace: Workspace) -> tuple[PortRow, ...]:
    """The port rules, by number."""
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
    """Every right and scope: handled or not, and whether that can be switched off. Those without a name: if handled."""
    policy, resolved = workspace.whole, workspace.resolved
    granted: dict[str, str] = {}
    seen: set[RightSet] = set()
    rules: Iterator[PathRule | PortRule] = chain(policy.path_rules, policy.port_rules)
    for rule in rules:
        if rule.rights not in seen:  # of thousands of rules, nearly all give the same as another
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
    """What an access was on, for a person: a path or a port."""
    if access.port is not None:
        return f"port {access.port}"
    path = printable(access.path or access.object_path or "")
    return path if access.old_path is None else f"{printable(access.old_path)} -> {path}"


def access_row(access: Access) -> AccessRow:
    """One line of the Denied or Allowed table."""
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
    )
