"""Resolve a policy on this machine: expand variables, combine equal paths, identify each path by its inode."""

import os
import stat
from collections.abc import Container, Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from editor.evaluation.own_process import is_own, main_thread_path, with_self
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import ParentPath, PathRule, Policy, RuleRef, path_key
from editor.policy.variables import expand

if TYPE_CHECKING:
    from editor.landlock.ruleset import RulesetSpec

Identity = tuple[int, int]


class GrantRef(NamedTuple):
    """One location in the policy file, and the rights that it grants."""

    ref: RuleRef
    rights: RightSet


class ResolvedPath(NamedTuple):
    """One path of the policy with the union of the rights of all rules that name it.

    ``path`` is as written, with variables expanded (the first of several equal spellings, see ``path_key``);
    ``templates`` are the strings of the file that it comes from. ``target`` is the path without symbolic links (but
    with /proc/self, see ``own_process``), ``identity`` the (st_dev, st_ino) of the object it leads to, ``is_dir``
    whether that is a directory: all three are None if the path does not exist or cannot be reached.
    """

    path: str
    rights: RightSet
    refs: tuple[GrantRef, ...]
    templates: tuple[str, ...]
    target: str | None
    identity: Identity | None
    is_dir: bool | None


class ResolvedPort(NamedTuple):
    """One port of the policy with the union of the rights of all rules that name it."""

    port: int
    rights: RightSet
    refs: tuple[GrantRef, ...]


class ResolvedPolicy(NamedTuple):
    """A policy on this machine. Paths and ports are in order of first appearance in the file.

    ``base`` is the absolute directory that relative paths start from. ``rulesets`` are the ``[[ruleset]]`` tables, each
    with the rights and scopes it handles.
    """

    file: str
    abi: int | None
    handled_fs: RightSet
    handled_net: RightSet
    scoped: RightSet
    paths: tuple[ResolvedPath, ...]
    ports: tuple[ResolvedPort, ...]
    base: str
    rulesets: tuple[GrantRef, ...] = ()

    def absolute(self, path: str) -> str:
        """Return ``path`` as passed to the kernel: absolute; the empty path stays empty, since it names nothing."""
        if not path:
            return path
        whole = os.path.join(self.base, path)
        # POSIX allows two leading slashes a special meaning, so os.path keeps them; Linux treats them as one.
        return "/" + whole.lstrip("/") if whole.startswith("//") else whole

    def ruleset(self) -> "RulesetSpec":
        """Return the ruleset to build, with absolute paths; nothing is dropped yet."""
        from editor.landlock.ruleset import PathGrant, PortGrant, RulesetSpec  # noqa: PLC0415 only a run needs it

        return RulesetSpec(
            handled_fs=self.handled_fs,
            handled_net=self.handled_net,
            scoped=self.scoped,
            paths=tuple(PathGrant(self.absolute(each.path), each.rights) for each in self.paths),
            ports=tuple(PortGrant(each.port, each.rights) for each in self.ports),
        )

    def canonical(self) -> dict[str, Any]:
        """Return the JSON object of ``paddock export --to resolved``, which does not depend on this machine."""
        return {
            "handled_access_fs": sorted(self.handled_fs),
            "handled_access_net": sorted(self.handled_net),
            "scoped": sorted(self.scoped),
            "path_beneath": {each.path: sorted(each.rights) for each in sorted(self.paths)},
            "net_port": {str(each.port): sorted(each.rights) for each in sorted(self.ports)},
        }


def path_ref(parent: ParentPath) -> RuleRef:
    """Return the reference for verdicts decided by ``parent``'s rule."""
    return RuleRef(parent.location.file, parent.location.line, f'path_beneath "{parent.template}"')


def _identify(path: str, directories: dict[str, str]) -> tuple[str | None, Identity | None, bool | None]:
    """Return target, identity and is_dir of ``path``. ``directories`` caches the real paths of directories."""
    path = main_thread_path(path)
    try:
        status = os.stat(path)
        target = _real_path(path, directories)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None, None, None
    return with_self(target), (status.st_dev, status.st_ino), stat.S_ISDIR(status.st_mode)


def _real_path(path: str, directories: dict[str, str]) -> str:
    """Like os.path.realpath, for an absolute path that exists."""
    directory, name = os.path.split(path)
    if name in ("", ".", ".."):
        return os.path.realpath(path)
    real = directories.get(directory)
    if real is None:
        real = directories[directory] = os.path.realpath(directory)
    place = os.path.join(real, name)
    return os.path.realpath(place) if stat.S_ISLNK(os.lstat(place).st_mode) else place


class Resolution(NamedTuple):
    """A resolved policy, with what ``resolve_again`` can reuse after an edit.

    ``named`` are the keys (see ``path_key``) of the paths that each rule names, ``entries`` the result for each key.
    """

    policy: Policy
    resolved: ResolvedPolicy
    named: tuple[tuple[str, ...], ...]
    entries: dict[str, ResolvedPath]


class _Gathered:
    """The rules that name one path, being collected."""

    __slots__ = ("path", "refs", "templates")

    def __init__(self, path: str) -> None:
        self.path = path
        self.refs: list[GrantRef] = []
        self.templates: list[str] = []


class _Gatherer:
    """Collects the rules of each path, and identifies the paths."""

    def __init__(self, policy: Policy, base: str) -> None:
        self.base = base
        self.directories: dict[str, str] = {}
        self.variables: dict[str, set[str]] = {}
        for variable in policy.variables:
            self.variables.setdefault(variable.name, set()).update(variable.literals)
        self.gathered: dict[str, _Gathered] = {}

    def keys(self, rule: PathRule) -> tuple[str, ...]:
        """Return the keys of the paths that ``rule`` names, in order."""
        if not rule.rights:  # a group that is empty at this ABI: landlockconfig drops the rule
            return ()
        return tuple([path_key(path) for parent in rule.parents for path in expand(parent.template, self.variables)])

    def gather(self, rule: PathRule, keys: tuple[str, ...], only: Container[str] | None = None) -> None:
        """Collect ``rule`` for the paths ``keys`` that it names, or for those of them in ``only``."""
        known = iter(keys)
        for parent in rule.parents if keys else ():
            template = parent.template
            ref = None
            for path in (template,) if template and "$" not in template else expand(template, self.variables):
                key = next(known)
                if only is not None and key not in only:
                    continue
                ref = ref or GrantRef(path_ref(parent), rule.rights)
                entry = self.gathered.get(key)
                if entry is None:
                    entry = self.gathered[key] = _Gathered(path)
                entry.refs.append(ref)
                if template not in entry.templates:
                    entry.templates.append(template)

    def entry(self, key: str, before: ResolvedPath | None = None) -> ResolvedPath | None:
        """Return the result for ``key``, or None. The path is identified now, unless ``before`` has the same."""
        found = self.gathered.get(key)
        if found is None:
            return None
        refs, templates = tuple(found.refs), tuple(found.templates)
        rights = refs[0].rights if len(refs) == 1 else NO_RIGHTS.union(*(each.rights for each in refs))
        if before is not None and (found.path, rights, templates) == (before.path, before.rights, before.templates):
            if refs == before.refs:
                return before
            return ResolvedPath(found.path, rights, refs, templates, before.target, before.identity, before.is_dir)
        where = os.path.join(self.base, found.path)
        identified = _identify(where, self.directories) if found.path else (None, None, None)
        return ResolvedPath(found.path, rights, refs, templates, *identified)


def resolve(policy: Policy, *, base: str | None = None) -> ResolvedPolicy:
    """Resolve ``policy`` on this machine, examining each path once (following symbolic links).

    ``base`` is the directory that relative paths start from, by default the working directory. Paths that do not exist
    are kept, without identity. Raises TemplateError if a path's variables cannot be expanded, which cannot happen for
    a policy from ``parse_policy``.
    """
    return resolution_of(policy, base=base).resolved


def resolution_of(policy: Policy, *, base: str | None = None) -> Resolution:
    """Like ``resolve``, with what ``resolve_again`` needs."""
    directory = os.path.abspath(base if base is not None else os.getcwd())
    gatherer = _Gatherer(policy, directory)
    named = tuple([gatherer.keys(rule) for rule in policy.path_rules])
    for rule, keys in zip(policy.path_rules, named, strict=True):
        gatherer.gather(rule, keys)
    entries = {key: entry for key in gatherer.gathered if (entry := gatherer.entry(key)) is not None}
    return Resolution(policy, _resolved(policy, directory, entries.values(), _ports(policy)), named, entries)


def resolve_again(before: Resolution, policy: Policy) -> Resolution:
    """Like ``resolution_of``, for a policy that has much in common with that of ``before``.

    Only paths affected by an edit are examined again; the others keep what they led to before.
    """
    old = before.policy
    gatherer = _Gatherer(policy, before.resolved.base)
    if gatherer.variables != _Gatherer(old, before.resolved.base).variables:
        return resolution_of(policy, base=before.resolved.base)
    rules, rules_before = policy.path_rules, old.path_rules
    head, tail = _common_ends(rules_before, rules)
    same_length = len(rules) == len(rules_before)
    named = list(before.named[:head])
    # The keys of paths named by a rule that changed or moved.
    changed: set[str] = set()
    for number in range(head, len(rules_before) - tail):
        if not same_length or rules[number] is not rules_before[number]:
            changed.update(before.named[number])
    for number in range(head, len(rules) - tail):
        if same_length and rules[number] is rules_before[number]:
            named.append(before.named[number])
        else:
            named.append(gatherer.keys(rules[number]))
            changed.update(named[-1])
    entries = dict(before.entries)
    for at in range(-tail, 0):
        named.append(before.named[at])
        if rules[at] is not rules_before[at] and not _move(entries, rules[at], named[-1]):
            changed.update(named[-1])
    for rule, keys in zip(rules, named, strict=True):
        if not changed.isdisjoint(keys):
            gatherer.gather(rule, keys, changed)
    for key in changed:
        entry = gatherer.entry(key, before.entries.get(key))
        if entry is not None:
            entries[key] = entry
        else:
            entries.pop(key, None)
    # In order of first appearance.
    paths = map(entries.__getitem__, dict.fromkeys(chain.from_iterable(named)))
    same_ports = policy.port_rules == old.port_rules
    ports = before.resolved.ports if same_ports else _ports(policy)
    return Resolution(policy, _resolved(policy, before.resolved.base, paths, ports), tuple(named), entries)


def _move(entries: dict[str, ResolvedPath], rule: PathRule, keys: tuple[str, ...]) -> bool:
    """Update the location of ``rule``, which only moved, in the entry of the one path that it names.

    Return False if it names several paths, or other rules name the path too.
    """
    if len(keys) != 1 or len(rule.parents) != 1 or len(entries[keys[0]].refs) != 1:
        return False
    path, rights, _, templates, target, identity, is_dir = entries[keys[0]]
    refs = (GrantRef(path_ref(rule.parents[0]), rule.rights),)
    entries[keys[0]] = ResolvedPath(path, rights, refs, templates, target, identity, is_dir)
    return True


def _common_ends(before: tuple[PathRule, ...], after: tuple[PathRule, ...]) -> tuple[int, int]:
    """Return how many rules both start with, and how many equal rules both end with, possibly moved."""
    shorter = min(len(before), len(after))
    pairs = enumerate(zip(before, after, strict=False))
    head = next((at for at, (was, rule) in pairs if was is not rule), shorter)
    pairs = enumerate(islice(zip(reversed(before), reversed(after), strict=False), shorter - head))
    tail = next((at for at, (was, rule) in pairs if was is not rule and not _are_equal(was, rule)), shorter - head)
    return head, tail


def _are_equal(one: PathRule, other: PathRule) -> bool:
    if one.rights != other.rights or len(one.parents) != len(other.parents):
        return False
    return all(a.template == b.template for a, b in zip(one.parents, other.parents, strict=True))


def identify_own(resolved: ResolvedPolicy) -> ResolvedPolicy:
    """Return ``resolved`` with what its paths lead to for this process, under its number instead of /proc/self.

    Paths without symbolic links lead to the same for all processes, and are not examined again.
    """
    paths = list(resolved.paths)
    for number, each in enumerate(paths):
        path = resolved.absolute(each.path)
        if path and (path != each.target or is_own(path)):
            target, identity, is_dir = _identify(path, {})
            if target is not None and is_own(target):
                target = os.path.realpath(path)
            paths[number] = each._replace(target=target, identity=identity, is_dir=is_dir)
    return resolved._replace(paths=tuple(paths))


def is_stable(resolved: ResolvedPolicy) -> bool:
    """Whether every path still leads to the object that it led to when it was resolved."""
    for each in resolved.paths:
        identity = None
        if each.path:
            try:
                status = os.stat(main_thread_path(resolved.absolute(each.path)))
            except (OSError, ValueError):
                pass
            else:
                identity = status.st_dev, status.st_ino
        if identity != each.identity:
            return False
    return True


def _ports(policy: Policy) -> tuple[ResolvedPort, ...]:
    ports: dict[int, list[GrantRef]] = {}
    for rule in policy.port_rules:
        if rule.rights:
            for port in rule.ports:
                shown = RuleRef(port.location.file, port.location.line, f"net_port {port.port}")
                ports.setdefault(port.port, []).append(GrantRef(shown, rule.rights))
    return tuple(
        ResolvedPort(port, NO_RIGHTS.union(*(each.rights for each in refs)), tuple(refs))
        for port, refs in ports.items()
    )


def _resolved(
    policy: Policy, base: str, paths: Iterable[ResolvedPath], ports: tuple[ResolvedPort, ...]
) -> ResolvedPolicy:
    return ResolvedPolicy(
        file=policy.file,
        abi=policy.abi,
        handled_fs=policy.handled_fs,
        handled_net=policy.handled_net,
        scoped=policy.scoped,
        paths=tuple(paths),
        ports=ports,
        base=base,
        rulesets=tuple(
            GrantRef(
                RuleRef(table.location.file, table.location.line, "ruleset"),
                table.handled_fs | table.handled_net | table.scopes,
            )
            for table in policy.rulesets
        ),
    )
