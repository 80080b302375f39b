"""What the runner and the tracer exchange, as JSON: a request one way, events the other way.

Names that are not UTF-8 travel as lone surrogates, which JSON's ``\\u`` escapes preserve.
"""

import json
from typing import Any, Literal, NamedTuple

from editor.evaluation.resolve import GrantRef, ResolvedPath, ResolvedPolicy, ResolvedPort
from editor.landlock.rights import RightSet, in_order
from editor.policy.model import RuleRef
from editor.sandbox.verdicts.report import Mode


class Spec(NamedTuple):
    """Everything that the tracer needs to know. Descriptors are numbers in the tracer's process.

    ``session`` gives the command its own session; with ``terminal``, its standard input becomes the controlling
    terminal. ``die_with_parent`` kills the tracer when the thread that started it ends. ``confirm``: True turns the
    kernel's audit on for the run, None uses it if it is on, False leaves it alone. ``layers`` are policies on top of
    ``resolved``, the youngest last. More than ``max_processes`` processes and threads end the run. ``deny_io_uring``
    makes io_uring_setup(2) fail with ENOSYS. ``wait`` keeps what outlives the command running.
    ``inherited`` are descriptors that the command gets besides its streams, under the same numbers.
    In mode "ask", ``ask_default`` is the answer to a question that is not answered within ``ask_timeout`` seconds.
    """

    resolved: ResolvedPolicy
    command: tuple[str, ...]
    mode: Mode
    abi: int | None
    cwd: str
    env: dict[str, str]
    stdin: int
    stdout: int
    stderr: int
    session: bool
    terminal: bool
    timeout: float | None
    die_with_parent: bool
    confirm: bool | None = None
    layers: tuple[ResolvedPolicy, ...] = ()
    max_processes: int | None = None
    deny_io_uring: bool = False
    wait: bool = False
    inherited: tuple[int, ...] = ()
    ask_timeout: float | None = None
    ask_default: Literal["allow", "deny"] = "deny"

    def to_text(self) -> str:
        """Return one line of JSON; ``from_text`` is the inverse."""
        data = self._asdict()
        data["resolved"] = policy_out(self.resolved)
        data["layers"] = [policy_out(policy) for policy in self.layers]
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Spec":
        """Parse what ``to_text`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        data: dict[str, Any] = json.loads(text)
        data["resolved"] = policy_in(data["resolved"])
        data["layers"] = tuple(policy_in(policy) for policy in data["layers"])
        data["command"] = tuple(data["command"])
        data["inherited"] = tuple(data["inherited"])
        return cls(**data)


def _refs_out(refs: tuple[GrantRef, ...]) -> list[Any]:
    return [[*grant.ref, in_order(grant.rights)] for grant in refs]


def _refs_in(data: list[Any]) -> tuple[GrantRef, ...]:
    return tuple(GrantRef(RuleRef(file, line, rule), frozenset(rights)) for file, line, rule, rights in data)


def policy_out(policy: ResolvedPolicy) -> dict[str, Any]:
    """Return ``policy`` in a form that JSON can carry."""
    plain = policy._asdict()
    for name in ("handled_fs", "handled_net", "scoped"):
        plain[name] = in_order(plain[name])
    plain["paths"] = [
        {**path._asdict(), "rights": in_order(path.rights), "refs": _refs_out(path.refs)} for path in policy.paths
    ]
    plain["ports"] = [[port.port, in_order(port.rights), _refs_out(port.refs)] for port in policy.ports]
    plain["rulesets"] = _refs_out(policy.rulesets)
    return plain


def policy_in(data: dict[str, Any]) -> ResolvedPolicy:
    """Return the policy that ``policy_out`` put into JSON."""
    values = dict(data)
    for name in ("handled_fs", "handled_net", "scoped"):
        values[name] = frozenset(values[name])
    values["paths"] = tuple(_path_in(path) for path in data["paths"])
    values["ports"] = tuple(
        ResolvedPort(port, frozenset(rights), _refs_in(refs)) for port, rights, refs in data["ports"]
    )
    values["rulesets"] = _refs_in(data["rulesets"])
    return ResolvedPolicy(**values)


def _path_in(data: dict[str, Any]) -> ResolvedPath:
    rights: RightSet = frozenset(data["rights"])
    identity = tuple(data["identity"]) if data["identity"] is not None else None
    return ResolvedPath(
        path=data["path"],
        rights=rights,
        refs=_refs_in(data["refs"]),
        templates=tuple(data["templates"]),
        target=data["target"],
        identity=identity,
        is_dir=data["is_dir"],
    )
