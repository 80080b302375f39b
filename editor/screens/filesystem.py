"""The filesystem as the tree shows it: each path with the rights that the draft grants there."""

import os
import stat
import threading
from collections.abc import Iterable
from typing import NamedTuple

from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Grant
from editor.evaluation.own_process import SELF, THREAD_SELF
from editor.evaluation.resolve import ResolvedPath
from editor.landlock.rights import DIRECTORY_RIGHTS, NO_RIGHTS, RightSet, in_order
from editor.screens.rule_text import template_of
from editor.workspace.notifying import Changes
from editor.workspace.workspace import Workspace
from widgets.tree_model import RowKind, TreeRow


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
