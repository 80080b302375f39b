"""Compares the rows of a run with the kernel's trace events: verdicts, and the rules that decided."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import NO_RIGHTS, RightSet, known_rights
from editor.policy.model import RuleRef
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.confirm import matches as _matches_by_name
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.tracepoints import Event, MarkedCall, Trace

RuleKey = tuple[str, ...]
"""What the kernel's events name a rule by: device and inode number, or a port."""

# Denials whose event has no list of blockers: its name says what was denied.
_BLOCKERS: Mapping[str, str] = {
    "deny_ptrace": "ptrace",
    "deny_scope_signal": "signal",
    "deny_scope_abstract_unix_socket": "abstract_unix_socket",
}


# What an event shows if the kernel finds no path, such as in a detached mount.
_NO_PATH = frozenset({"<no_mem>", "<too_long>", "<unreachable>"})


class Layer(NamedTuple):
    """One policy of the run in the kernel: its domain, the rights that it handles, and its rules by reference."""

    domain: str
    handled: RightSet
    rules: Mapping[RuleRef, frozenset[RuleKey]]


class _Check(NamedTuple):
    """A rule that the kernel looked at, and the requested rights that it grants in each of the run's layers."""

    rule: RuleKey
    grants: tuple[RightSet, ...]


def _names(text: str) -> RightSet:
    return frozenset(text.split("|")) - {""}


def _key(event: Event) -> RuleKey:
    port = event.fields.get("port")
    return (port,) if port is not None else (event.fields.get("dev", ""), event.fields.get("ino", ""))


def _layers(policies: Sequence[ResolvedPolicy], abi: int, trace: Trace) -> tuple[Layer, ...] | None:
    """Return the policies in the kernel's terms; None if their domains were not all seen."""
    enforced = [
        (policy, handled)
        for policy in policies
        if (handled := (policy.handled_fs | policy.handled_net | policy.scoped) & known_rights(abi))
    ]
    domains = trace.domains[: len(enforced)]  # the command starts after that, and may create more
    if len(domains) < len(enforced):
        return None
    layers = []
    for (policy, handled), domain in zip(enforced, domains, strict=True):
        ruleset = domain.fields.get("ruleset", "").partition(".")[0]
        added = [
            event
            for event in trace.rules
            if event.name.startswith("add_rule") and event.fields.get("ruleset", "").partition(".")[0] == ruleset
        ]
        layers.append(Layer(domain.fields.get("domain", ""), handled, _rules(policy, added)))
    return tuple(layers)


def _rules(policy: ResolvedPolicy, added: Iterable[Event]) -> dict[RuleRef, frozenset[RuleKey]]:
    """Return which of the kernel's rules each place in the policy has made.

    A device number may differ from the one that stat(2) shows (btrfs, overlayfs): there, the path tells.
    """
    by_path: dict[str, RuleKey] = {}
    keys: set[RuleKey] = set()
    for event in added:
        keys.add(_key(event))
        if "path" in event.fields:
            by_path[event.fields["path"]] = _key(event)
    found: dict[RuleRef, set[RuleKey]] = {}
    for each in policy.paths:
        if each.identity is None:
            continue
        device, inode = each.identity
        key: RuleKey | None = (f"{os.major(device)}:{os.minor(device)}", str(inode))
        if key not in keys:
            key = by_path.get(each.target or "")
        for grant in each.refs if key is not None else ():
            found.setdefault(grant.ref, set()).add(key or ())
    for port in policy.ports:
        for grant in port.refs:
            found.setdefault(grant.ref, set()).add((str(port.port),))
    return {ref: frozenset(each) for ref, each in found.items()}


def _number(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0


def denial_of(event: Event) -> Denial:
    """Return what a ``deny_*`` event says, as an audit record would say it."""
    fields = event.fields
    blockers = _names(fields.get("blockers", "")) or {_BLOCKERS.get(event.name, event.name.removeprefix("deny_"))}
    port = fields.get("port") or fields.get("dport") or fields.get("sport")
    return Denial(
        serial=0,
        domain=fields.get("domain", ""),
        blockers=frozenset(blockers),
        # Of a mount, the kernel may only show the name inside its filesystem.
        path=None if "change_topology" in blockers else fields.get("path"),
        dev=fields.get("dev", ""),
        ino=_number(fields.get("ino")),
        port=_number(port) if port is not None and _number(port) >= 0 else None,
        pid=0,
        comm="",
        call=None,
        result=None,
        target=_number(fields.get("tracee_pid") or fields.get("target_pid")),
        target_comm=fields.get("tracee_comm") or fields.get("target_comm") or "",
    )


class Checks:
    """What the kernel's events say of the rows of one run, by row number."""

    def __init__(self, policies: Sequence[ResolvedPolicy], abi: int, trace: Trace) -> None:
        self._layers = _layers(policies, abi, trace)
        self._known = frozenset[RuleKey]().union(
            *(keys for layer in self._layers or () for keys in layer.rules.values())
        )
        parents = {event.fields.get("domain", ""): event.fields.get("parent", "") for event in trace.domains}
        self._inside = self._nesting(parents)
        self._ours = frozenset(layer.domain for layer in self._layers or ())

    def _nesting(self, parents: Mapping[str, str]) -> dict[str, int]:
        """Return the domains of the run, and how many the program itself has put on top of the policies' there."""
        if not self._layers:
            return {}
        inside = {self._layers[-1].domain: 0}
        for domain, parent in parents.items():  # a parent comes first
            if parent in inside:
                inside[domain] = inside[parent] + 1
        return inside

    def answers(self, accesses: Sequence[Access], calls: Iterable[MarkedCall]) -> dict[int, bool]:
        """Return whether the kernel agrees with each row of ``accesses`` that it says something about.

        One call on which it disagrees outweighs all others.
        """
        found: dict[int, bool] = {}
        if self._layers is None:
            return found
        for call in calls:
            denials = [denial_of(event) for event in call.events if event.name.startswith("deny_")]
            checks = [check for event in call.events if (check := self._check(event)) is not None]
            for row in call.rows:
                answer = self._answer(accesses[row], checks, denials)
                if answer is not None:
                    found[row] = found.get(row, True) and answer
        return found

    def unlisted(self, accesses: Sequence[Access], calls: Iterable[MarkedCall]) -> tuple[Denial, ...]:
        """Return the denials that no denied row of their call explains.

        Those of tracing are left out: the kernel asks Landlock even where another permission lets the call succeed.
        """
        found: dict[Denial, None] = {}
        for call in calls:
            denied = [accesses[row] for row in call.rows if accesses[row].verdict == "denied"]
            for event in call.events:
                if not event.name.startswith("deny_") or event.fields.get("domain") not in self._ours:
                    continue
                denial = denial_of(event)
                if denial.blockers != {"ptrace"} and not any(matches(access, denial) for access in denied):
                    found[denial] = None
        return tuple(found)

    def _check(self, event: Event) -> _Check | None:
        if not event.name.startswith("check_rule") or event.fields.get("domain") not in self._inside:
            return None
        groups = [_names(group) for group in event.fields.get("grants", "").strip("{}").split(",")]
        end = len(groups) - self._inside[event.fields["domain"]]
        return _Check(_key(event), tuple(groups[end - len(self._layers or ()) : end]))

    def _answer(self, access: Access, checks: Sequence[_Check], denials: Sequence[Denial]) -> bool | None:
        if access.verdict == "denied":
            return any(matches(access, denial) for denial in denials)
        if any(_is_of(denial, access) for denial in denials):
            return False
        if access.verdict != "allowed" or not access.decided_by:
            return None
        return self._rules_agree(access, checks)

    def _rules_agree(self, access: Access, checks: Sequence[_Check]) -> bool | None:
        """Whether the rules that the row names granted in every layer what it says; None if the kernel says nothing."""
        layers = self._layers or ()
        if not any(access.rights & grants for check in checks for grants in check.grants):
            return None  # decided when the descriptor was opened, or not by rules at all
        if any(check.rule not in self._known for check in checks if any(check.grants)):
            return None
        for number, layer in enumerate(layers):
            named = frozenset[RuleKey]().union(*(layer.rules.get(ref, frozenset()) for ref in access.decided_by))
            granted = NO_RIGHTS.union(*(check.grants[number] for check in checks if check.rule in named))
            if access.rights & layer.handled - granted:
                return False
        used = {check.rule for check in checks if any(access.rights & grants for grants in check.grants)}
        return all(
            any(layer.rules.get(ref, frozenset()) & used for layer in layers)
            for ref in access.decided_by
            if any(ref in layer.rules for layer in layers)
        )


def matches(access: Access, denial: Denial) -> bool:
    """Whether a denied row and a denial of the same call agree; the call tells the object if its path has no name."""
    if denial.path in _NO_PATH:
        denial = denial._replace(path=access.object_path)
    return _matches_by_name(access, denial)


def _is_of(denial: Denial, access: Access) -> bool:
    """Whether the kernel denied what the row says was not denied."""
    denied = access._replace(verdict="denied", missing=denial.blockers)
    return bool(denial.blockers & access.rights) and "signal" not in denial.blockers and matches(denied, denial)


def describe(denial: Denial) -> str:
    """Return a denial as a note shows it: what was denied, and on what."""
    where = f"port {denial.port}" if denial.port is not None else denial.process or denial.path
    return ", ".join(sorted(denial.blockers)) + (f" on {where}" if where else "")
