"""Findings about the path rules of a policy and the files that they name on this machine."""

import os
import pwd
import stat
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from editor.analysis.lint.catalogue import Finding, finding
from editor.analysis.lint.handled import start_of
from editor.analysis.lint.machine import missing_or_unreadable
from editor.analysis.lint.moves import lint_moves
from editor.editing.edits import RemoveEntry, SetRuleRights
from editor.editing.meaning import variables_of
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.file_rights import file_rules
from editor.evaluation.mounts import is_beneath, mount_of, read_mounts
from editor.evaluation.own_process import own_process_path
from editor.evaluation.reasons import UNCHECKED
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.landlock.rights import DIRECTORY_RIGHTS, LATEST_ABI, NO_RIGHTS, RightSet, listed
from editor.policy.model import Location, ParentPath, PathRule, Policy, RuleRef, path_key
from editor.policy.variables import expand

_SYSTEM = ("/proc", "/sys", "/dev")
_HOME_CREDENTIALS = (
    ".ssh", ".gnupg", ".aws", ".kube", ".netrc", ".git-credentials", ".docker/config.json", ".config/gcloud",
    ".password-store", ".pgpass", ".vault-token",
)  # fmt: skip
_SYSTEM_CREDENTIALS = ("/etc/shadow", "/etc/gshadow")
# From UID_MIN of login.defs(5) to the last id before nobody's.
_LOGIN_UIDS = range(1000, 65534)
_READ: RightSet = frozenset({"read_file"})
_SHOWN = 5
# Directory entries to examine for regular files.
_MAX_EXAMINED = 200


class _Entry(NamedTuple):
    """One entry of a rule's ``parent``, and the paths that it expands to."""

    rule: PathRule
    at: int
    parent: ParentPath
    paths: tuple[ResolvedPath, ...]

    @property
    def existing(self) -> tuple[ResolvedPath, ...]:
        return tuple(path for path in self.paths if path.identity is not None)


class _Complete:
    """Tells where several rights are allowed together."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._allowing: dict[RightSet, list[str]] = {}

    def allows(self, path: str, rights: RightSet) -> bool:
        """Whether ``rights`` are allowed on ``path``, by any rules."""
        return self._decider.file(path, rights).allowed

    def beneath(self, directory: str, rights: RightSet) -> str:
        """Return the first path with a rule beneath ``directory`` that ``allows`` the rights, else an empty string."""
        allowing = self._allowing.get(rights)
        if allowing is None:
            decider = self._decider
            allowing = sorted(target for target in decider.targets if decider.file(target, rights).allowed)
            self._allowing[rights] = allowing
        prefix = directory.rstrip("/") + "/"
        at = bisect_right(allowing, prefix)
        return allowing[at] if at < len(allowing) and allowing[at].startswith(prefix) else ""


def lint_rules(policy: Policy, resolved: ResolvedPolicy) -> Iterator[Finding]:
    """Yield the findings about path rules in no particular order."""
    by_key = {path_key(path.path): path for path in resolved.paths}
    variables = variables_of(policy)
    rules: list[tuple[PathRule, list[_Entry]]] = []
    for rule in policy.path_rules:
        entries = []
        for at, parent in enumerate(rule.parents):
            keys = dict.fromkeys(path_key(path) for path in expand(parent.template, variables))
            entries.append(_Entry(rule, at, parent, tuple(by_key[key] for key in keys if key in by_key)))
        rules.append((rule, entries))
    decider = Decider(resolved, LATEST_ABI)
    complete = _Complete(decider)
    every = [entry for _, entries in rules for entry in entries]
    for rule, entries in rules:
        for entry in entries:
            for path in entry.paths:
                if path.identity is None:
                    yield missing_or_unreadable(path, resolved, entry.parent.location)
                elif _takes_no_rule(path, decider, resolved):
                    message = f"{printable(path.path)} is of a kind that the kernel never checks: it takes no rule."
                    yield finding("unreadable-path", entry.parent.location, message)
        existing = [(entry.parent.location, path) for entry in entries for path in entry.existing]
        yield from _incomplete(rule, existing, policy.handled_fs, complete)
    yield from _file_rights(policy, resolved)
    yield from _covered(every, decider, resolved)
    yield from _reach(every)
    yield from _writable_code(every, decider, policy.handled_fs)
    yield from _policy_writable(policy, decider)
    yield from lint_moves(policy, resolved, decider, start_of(policy))
    yield from _links_and_mounts(every, resolved)


def _takes_no_rule(path: ResolvedPath, decider: Decider, resolved: ResolvedPolicy) -> bool:
    """Whether the path leads to a pipe or the like; what /proc/self leads to differs for the command."""
    if decider.file(path.path, _READ).reason != UNCHECKED:
        return False
    return own_process_path(resolved.absolute(path.path)) is None


def _file_rights(policy: Policy, resolved: ResolvedPolicy) -> Iterator[Finding]:
    """Find rules on files alone that name rights for directories."""
    for each in file_rules(policy, resolved):
        rule = each.rule
        # Another name may be a group with the same rights, and a path that is missing today may become a directory.
        whole = each.all_exist and len(rule.allowed_access) == len(rule.rights)
        kept = rule.rights - DIRECTORY_RIGHTS
        fix = (SetRuleRights("path_beneath", rule.number, kept),) if whole and kept else ()
        yield finding("file-right", each.parent.location, each.message, fix=fix)


def _incomplete(
    rule: PathRule, existing: list[tuple[Location, ResolvedPath]], handled: RightSet, complete: _Complete
) -> Iterator[Finding]:
    """Find rights of little use without a companion that is handled, but that no rule grants there."""
    for id_, given, companion, effect in (
        (
            "write-without-truncate",
            "write_file",
            "truncate",
            "overwriting a file (O_TRUNC, a shell's >) is denied",
        ),
        ("execute-without-read_file", "execute", "read_file", "nothing can be executed: that needs both"),
        ("make-without-write", "make_reg", "write_file", "creating a file fails and leaves an empty one behind"),
    ):
        if given not in rule.rights or companion in rule.rights or companion not in handled:
            continue
        both = frozenset({given, companion})
        for location, path in existing:
            if path.target is None or complete.allows(path.target, both):
                continue
            if not (path.is_dir if given == "make_reg" else _may_hold_files(path.target)):
                continue
            beneath = complete.beneath(path.target, both)
            if beneath and given == "execute":
                continue
            where = f", except beneath {printable(beneath)}" if beneath else ""
            message = f"{printable(path.path)} is granted {given} but not {companion}: {effect}{where}."
            yield finding(id_, location, message)
            break


def _may_hold_files(path: str) -> bool:
    """Whether ``path`` is a regular file or a directory in which there may be some, now or later.

    A directory in which there are only terminals and other devices, like /dev/pts, has none.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and not _has_only_devices(path))


def _has_only_devices(directory: str) -> bool:
    """Whether there are devices beneath ``directory`` and no regular files; False if there is too much to examine."""
    found = False
    waiting = [directory]
    examined = 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    examined += 1
                    if examined > _MAX_EXAMINED:
                        return False
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        return False
                    elif not entry.is_symlink():
                        mode = entry.stat(follow_symlinks=False).st_mode
                        found = found or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        except OSError:
            return False
    return found


# Redundant rules


def _covered(entries: list[_Entry], decider: Decider, resolved: ResolvedPolicy) -> Iterator[Finding]:
    """Find entries whose rights the other entries grant already, on the same path or above it.

    Only paths as written are compared: on another machine a symbolic link may have another target.
    """
    # The rights on each path of the entries to keep: those with the most rights, and the first of equals.
    kept_rights: dict[str, RightSet] = {}
    redundant: dict[tuple[int, int], str] = {}
    for entry in sorted(entries, key=lambda each: (-len(each.rule.rights), each.rule.number, each.at)):
        if not entry.rule.rights:
            continue
        covers = {_covering(path, entry.rule.rights, kept_rights, decider, resolved) for path in entry.paths}
        if entry.paths and None not in covers:
            redundant[entry.rule.number, entry.at] = next(iter(sorted(filter(None, covers))))
            continue
        for path in entry.paths:
            key = path_key(path.path)
            kept_rights[key] = kept_rights.get(key, NO_RIGHTS) | entry.rule.rights
    for entry in entries:
        cover = redundant.get((entry.rule.number, entry.at))
        if cover is not None:
            shown = printable(entry.parent.template)
            by = f"what other rules grant on {printable(cover)}"
            message = f"{shown} adds nothing to {by}: {listed(entry.rule.rights)}."
            fix = (RemoveEntry("path_beneath", entry.rule.number, entry.at),)
            yield finding("covered-rule", entry.parent.location, message, fix=fix)


def _covering(
    path: ResolvedPath, rights: RightSet, kept_rights: dict[str, RightSet], decider: Decider, resolved: ResolvedPolicy
) -> str | None:
    """Return the path whose other rules grant ``rights`` on ``path``; None if there is none."""
    key = path_key(path.path)
    given = kept_rights.get(key, NO_RIGHTS)
    if rights <= given:
        return path.path
    if path.target is None:
        return None
    wanted = (rights if path.is_dir else rights - DIRECTORY_RIGHTS) - given
    spelled = os.path.normpath(resolved.absolute(path.path))
    if spelled != path.target or path.target == "/":
        return None
    for grant in decider.inherited(os.path.dirname(path.target), follow=False):
        above = os.path.normpath(resolved.absolute(grant.path))
        if is_beneath(spelled, above) and above != spelled:
            wanted -= grant.rights
            if not wanted:
                return grant.path
    return None


# Rules that cover too much


def _homes() -> list[str]:
    """Return the home directories of root and of login accounts on this machine."""
    try:
        accounts = pwd.getpwall()
    except OSError:
        accounts = []
    homes = [each.pw_dir for each in accounts if each.pw_uid == 0 or each.pw_uid in _LOGIN_UIDS]
    homes.append(os.environ.get("HOME", ""))
    real = (os.path.realpath(home) for home in homes if home.startswith("/"))
    return [home for home in dict.fromkeys(real) if home != "/" and os.path.isdir(home)]


def _reach(entries: list[_Entry]) -> Iterator[Finding]:
    """Find rules on /, a home, /proc, /sys, /dev or credentials; report only the widest of these for each rule."""
    homes = _homes()
    keys = [os.path.join(home, name) for home in homes for name in _HOME_CREDENTIALS]
    keys = [key for key in (*keys, *_SYSTEM_CREDENTIALS) if os.path.lexists(key)]
    reported = set[tuple[str, str]]()
    for entry in entries:
        rights = entry.rule.rights
        writes, reads = "write_file" in rights, "read_file" in rights
        if not (writes or reads):
            continue
        for path in entry.existing:
            target = path.target or ""
            found = _widest(target, homes, writes=writes, reads=reads)
            reached = [key for key in keys if reads and is_beneath(key, target)]
            if found is None and reached:
                found = ("credentials", f"{printable(path.path)} exposes credentials to reading")
            # Another rule may be about the same path: report it once.
            if found is None or (found[0], target) in reported:
                continue
            reported.add((found[0], target))
            id_, message = found
            if reached:
                names = [printable(key) for key in reached[:_SHOWN]] + (["..."] if len(reached) > _SHOWN else [])
                message += f": {', '.join(names)}" if id_ == "credentials" else f", including {', '.join(names)}"
            yield finding(id_, entry.parent.location, f"{message}.")
            break


def _widest(target: str, homes: list[str], *, writes: bool, reads: bool) -> tuple[str, str] | None:
    if target == "/":
        if writes:
            return "root-writable", "Writing is granted on /, so on every file"
        return "root-readable", "Reading is granted on /, so on every file"
    inside = [home for home in homes if is_beneath(home, target)]
    if inside:
        whose = f"{printable(inside[0])}" + (f" and {len(inside) - 1} more" if len(inside) > 1 else "")
        if writes:
            return "home-writable", f"Writing is granted on {whose}, a whole home directory"
        return "home-readable", f"Reading is granted on {whose}, a whole home directory"
    if target in _SYSTEM:
        if writes:
            return "system-writable", f"Writing is granted on all of {target}"
        return ("system-readable", f"Reading is granted on all of {target}") if reads else None
    return None


def _writable_code(entries: list[_Entry], decider: Decider, handled: RightSet) -> Iterator[Finding]:
    both: RightSet = frozenset({"write_file", "execute"})
    needed = both | {"read_file"}  # the kernel reads what it executes
    if not both <= handled:
        return
    reported = set[str]()
    for entry in entries:
        if not entry.rule.rights & both:
            continue
        for path in entry.existing:
            target = path.target or "/"
            above = os.path.dirname(target)
            if target in reported or not _may_hold_files(target) or not decider.file(target, needed).allowed:
                continue
            if target != "/" and decider.file(above, needed).allowed:
                continue  # reported for the rule further up
            reported.add(target)
            message = f"{printable(path.path)} can be written and executed."
            yield finding("write-and-execute", entry.parent.location, message)


def _policy_writable(policy: Policy, decider: Decider) -> Iterator[Finding]:
    """Find policy files that the policy allows to be written, or replaced in their directory."""
    places = [rule.location for rule in policy.path_rules] + [table.location for table in policy.rulesets]
    for file in dict.fromkeys(location.file for location in places):
        spelled = os.path.abspath(file)
        if not os.path.isfile(spelled):
            continue
        real = os.path.realpath(spelled)
        replacing: RightSet = frozenset({"make_reg", "remove_file"})
        for object_path, rights, how in (
            (real, frozenset({"write_file"}), "write"),
            (os.path.dirname(spelled), replacing, "replace"),
        ):
            decision = decider.file(object_path, rights)
            if decision.allowed and not decision.uncontrolled and decision.decided_by:
                ref: RuleRef = decision.decided_by[0]
                message = f"A program under this policy can {how} its file {printable(file)}."
                yield finding("policy-writable", Location(ref.file, ref.line, 1), message)
                break


def _links_and_mounts(entries: list[_Entry], resolved: ResolvedPolicy) -> Iterator[Finding]:
    mounts = read_mounts()
    layers = [(layer, mount.point) for mount in mounts for layer in mount.layers()]
    reported = set[str]()
    for entry in entries:
        for path in entry.existing:
            target = path.target or ""
            spelled = os.path.normpath(resolved.absolute(path.path))
            if spelled != target and spelled not in reported and own_process_path(spelled) is None:
                reported.add(spelled)
                message = f"{printable(path.path)} resolves to {printable(target)}: the rule belongs to that."
                yield finding("symlink", entry.parent.location, message)
            layer = next((each for each in layers if is_beneath(target, each[0])), None)
            mount = mount_of(target, mounts)
            if layer is not None and layer[0] not in reported:
                reported.add(layer[0])
                overlay = printable(layer[1])
                message = (
                    f"{printable(path.path)} is in a layer of the overlay {overlay}, which the rule does not cover."
                )
                yield finding("overlay-layer", entry.parent.location, message)
            elif mount is not None and mount.is_bind and mount.point not in reported:
                reported.add(mount.point)
                message = (
                    f"{printable(path.path)} is on the bind mount {printable(mount.point)} of "
                    f"{printable(mount.root)} in its filesystem: the rule applies there too."
                )
                yield finding("bind-mount", entry.parent.location, message)
