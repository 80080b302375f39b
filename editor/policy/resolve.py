"""What a policy means on this machine: variables expanded, equal paths united, every path identified by its inode."""

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import ParentPath, Policy, RuleRef
from editor.policy.variables import expand

if TYPE_CHECKING:
    from editor.landlock.ruleset import RulesetSpec

Identity = tuple[int, int]


class GrantRef(NamedTuple):
    """One place in the policy file, and the rights that stand there."""

    ref: RuleRef
    rights: RightSet


class ResolvedPath(NamedTuple):
    """One path of the policy with the union of the rights of all rules that name it.

    ``path`` is as written, variables expanded (the first spelling where several mean the same, see ``path_key``);
    ``templates`` are the strings of the file that led to it. ``target`` is the path without symbolic links,
    ``identity`` is (st_dev, st_ino) of what the path led to, ``is_dir`` whether that is a directory: all three are None
    where the path does not exist or cannot be reached.
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
    """A policy on this machine. Paths and ports are in the order of their first appearance in the file.

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
        """``path`` as the kernel will be asked for it; the empty path stays empty, since it names nothing."""
        return os.path.join(self.base, path) if path else path

    def ruleset(self) -> "RulesetSpec":
        """What to ask the kernel for, with absolute paths; nothing is dropped yet."""
        from editor.landlock.ruleset import PathGrant, PortGrant, RulesetSpec  # noqa: PLC0415 only a run needs it

        return RulesetSpec(
            handled_fs=self.handled_fs,
            handled_net=self.handled_net,
            scoped=self.scoped,
            paths=tuple(PathGrant(self.absolute(each.path), each.rights) for each in self.paths),
            ports=tuple(PortGrant(each.port, each.rights) for each in self.ports),
        )

    def canonical(self) -> dict[str, Any]:
        """The JSON object of ``paddock export --to resolved``: what the policy means, whatever this machine has."""
        return {
            "handled_access_fs": sorted(self.handled_fs),
            "handled_access_net": sorted(self.handled_net),
            "scoped": sorted(self.scoped),
            "path_beneath": {each.path: sorted(each.rights) for each in sorted(self.paths)},
            "net_port": {str(each.port): sorted(each.rights) for each in sorted(self.ports)},
        }


def path_key(path: str) -> str:
    """What two spellings of one path have in common, as Rust's ``Path`` compares them.

    Repeated and trailing slashes and inner ``.`` do not count; a leading ``.`` and every ``..`` do.
    """
    if "//" not in path and "/." not in path and not path.endswith("/"):
        return path
    names = path.split("/")
    kept = [name for index, name in enumerate(names) if name and (name != "." or index == 0)]
    return ("/" if path.startswith("/") else "") + "/".join(kept)


def path_ref(parent: ParentPath) -> RuleRef:
    """The place that a verdict by ``parent``'s rule points to."""
    return RuleRef(parent.location.file, parent.location.line, f'path_beneath "{parent.template}"')


def _identify(path: str, directories: dict[str, str]) -> tuple[str | None, Identity | None, bool | None]:
    """Where ``path`` leads. ``directories`` holds the real paths of those met before: rules mostly share some."""
    try:
        status = os.stat(path)
        target = _real_path(path, directories)
    except (OSError, ValueError):  # ValueError: a NUL in the path, which names nothing
        return None, None, None
    return target, (status.st_dev, status.st_ino), stat.S_ISDIR(status.st_mode)


def _real_path(path: str, directories: dict[str, str]) -> str:
    """As os.path.realpath, for an absolute path that exists."""
    directory, name = os.path.split(path)
    if name in ("", ".", ".."):
        return os.path.realpath(path)
    real = directories.get(directory)
    if real is None:
        real = directories[directory] = os.path.realpath(directory)
    place = os.path.join(real, name)
    return os.path.realpath(place) if stat.S_ISLNK(os.lstat(place).st_mode) else place


class _Gathered:
    """The rules that name one path, while they are being collected."""

    __slots__ = ("path", "refs", "templates")

    def __init__(self, path: str) -> None:
        self.path = path
        self.refs: list[GrantRef] = []
        self.templates: list[str] = []


def _union(refs: list[GrantRef]) -> RightSet:
    return NO_RIGHTS.union(*(each.rights for each in refs))


def resolve(policy: Policy, *, base: str | None = None) -> ResolvedPolicy:
    """``policy`` on this machine, each path looked at once (symbolic links followed).

    ``base`` is the directory that relative paths start from, by default the working directory. A path that does not
    exist stays, without identity. Raises TemplateError where a path's variables cannot be expanded, which
    ``parse_policy`` has already excluded for a policy that it read.
    """
    directory = os.path.abspath(base if base is not None else os.getcwd())
    directories: dict[str, str] = {}
    variables: dict[str, set[str]] = {}
    for variable in policy.variables:
        variables.setdefault(variable.name, set()).update(variable.literals)

    gathered: dict[str, _Gathered] = {}
    for rule in policy.path_rules:
        if not rule.rights:  # a group that is empty at this ABI: the reference implementation drops the rule
            continue
        for parent in rule.parents:
            for path in expand(parent.template, variables):
                entry = gathered.setdefault(path_key(path), _Gathered(path))
                entry.refs.append(GrantRef(path_ref(parent), rule.rights))
                if parent.template not in entry.templates:
                    entry.templates.append(parent.template)

    ports: dict[int, list[GrantRef]] = {}
    for port_rule in policy.port_rules:
        if not port_rule.rights:
            continue
        for port in port_rule.ports:
            shown = RuleRef(port.location.file, port.location.line, f"net_port {port.port}")
            ports.setdefault(port.port, []).append(GrantRef(shown, port_rule.rights))

    return ResolvedPolicy(
        file=policy.file,
        abi=policy.abi,
        handled_fs=policy.handled_fs,
        handled_net=policy.handled_net,
        scoped=policy.scoped,
        paths=tuple(
            ResolvedPath(
                entry.path,
                _union(entry.refs),
                tuple(entry.refs),
                tuple(entry.templates),
                *(_identify(os.path.join(directory, entry.path), directories) if entry.path else (None, None, None)),
            )
            for entry in gathered.values()
        ),
        ports=tuple(ResolvedPort(port, _union(refs), tuple(refs)) for port, refs in ports.items()),
        base=directory,
        rulesets=tuple(
            GrantRef(
                RuleRef(table.location.file, table.location.line, "ruleset"),
                table.handled_fs | table.handled_net | table.scopes,
            )
            for table in policy.rulesets
        ),
    )
