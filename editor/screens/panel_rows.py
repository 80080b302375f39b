"""The rows of the panels beside the tree: rights on a path, ports, handled rights."""

import os
import socket
from collections.abc import Iterator
from itertools import chain

from editor.escape import printable
from editor.evaluation.decision import Grant
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
from editor.policy.model import PathRule, PortRule
from editor.screens.rule_text import place_of, template_of
from editor.workspace.workspace import Workspace
from widgets.handled_panel import HandledRow
from widgets.ports_panel import PortRow
from widgets.rights_panel import RightState, Source

_KERNELS = {version.number: version.kernel for version in ABI_VERSIONS}


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
        place = f"{printable(grant.path)}  {place_of(ref, composed)}"
    template = template_of(ref)
    return Source(f"{place}  {template}" if template else place, grant.path, ref.line, ref.file)


def port_rows(workspace: Workspace) -> tuple[PortRow, ...]:
    """Return the port rules, by number."""
    rows = []
    for each in sorted(workspace.resolved.ports):
        refs = sorted({grant.ref for grant in each.refs})
        sources = tuple(dict.fromkeys(place_of(ref, workspace.is_composed) for ref in refs))
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
                granted.setdefault(name, f"granted on line {place_of(rule.location, workspace.is_composed)}")
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
