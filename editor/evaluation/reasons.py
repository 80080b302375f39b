"""Explain decisions in sentences: why rights are not restricted, and why they are denied."""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property

from editor.escape import printable
from editor.evaluation.own_process import leaves_proc, own_process_path
from editor.evaluation.path_walk import Place
from editor.evaluation.refer import REFER, ReferDenial
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.evaluation.rule_index import RuledObject
from editor.landlock.rights import NO_RIGHTS, RightSet, in_order, right_of
from editor.policy.model import RuleRef

UNCHECKED = "Landlock does not check objects of this kind, such as pipes and sockets without a path"


class Reasons:
    """Explains decisions on ``resolved`` at Landlock version ``abi``; ``targets`` are the places with rules."""

    def __init__(self, resolved: ResolvedPolicy, abi: int, targets: Mapping[str, ResolvedPath]) -> None:
        self._resolved = resolved
        self._abi = abi
        self._targets = targets

    @cached_property
    def _absent(self) -> dict[str, list[ResolvedPath]]:
        """The entries of the policy that lead nowhere, by their absolute path."""
        absent: dict[str, list[ResolvedPath]] = {}
        for each in self._resolved.paths:
            if each.identity is None or each.target is None:
                absent.setdefault(os.path.normpath(self._resolved.absolute(each.path)), []).append(each)
        return absent

    @cached_property
    def _of_own_process(self) -> list[ResolvedPath]:
        """Paths of the policy that are files of the command's own process in /proc."""
        pairs = [(own_process_path(self._resolved.absolute(each.path)), each) for each in self._resolved.paths]
        return [each for own, each in pairs if own is not None and not leaves_proc(own)]

    def why_uncontrolled(self, rights: RightSet) -> str:
        """Return why ``rights`` are not restricted; empty for no rights."""
        new = [name for name in in_order(rights) if right_of(name).abi > self._abi]
        old = [name for name in in_order(rights) if name not in new]
        parts = []
        if old:
            parts.append(f"the policy does not restrict {', '.join(old)}")
        if new:
            parts.append(f"Landlock ABI {self._abi} does not know {', '.join(new)}")
        return ", and ".join(parts)

    def why_denied(self, place: Place, missing: RightSet, asked: str) -> str:
        """Return why ``missing`` are denied on ``place``, naming the nearest rule that could have granted them.

        ``asked`` is the path as the caller gave it.
        """
        absent = self._nearest_absent(os.path.normpath(self._resolved.absolute(asked)), missing)
        if absent is not None:
            return f"the rule's path {printable(absent.path)} ({line(absent.refs[0].ref)}) does not exist"
        above: Place | None = place
        while above is not None:
            replaced = self._targets.get(above.path)
            if replaced is not None and replaced.identity != above.identity and replaced.rights & missing:
                where = f"{printable(replaced.path)} ({line(replaced.refs[0].ref)})"
                return f"the rule on {where} belongs to a file that has been replaced since"
            above = above.parent
        if place.path.startswith("/proc/") and place.path[6:7].isdigit():
            for rule in self._of_own_process:
                if rule.rights & missing:
                    where = f"{printable(rule.path)} ({line(rule.refs[0].ref)})"
                    return f"the rule on {where} covers the command's own process only"
        if place.nearest is None or place.nearest.ruled is None:
            return f"no rule covers {printable(place.path)}"
        return _lacks(place.nearest.ruled, missing)

    def _nearest_absent(self, path: str, missing: RightSet) -> ResolvedPath | None:
        """Return the entry that leads nowhere, for ``path`` or above it, and grants some of ``missing``."""
        while self._absent:
            found = next((each for each in self._absent.get(path, ()) if each.rights & missing), None)
            above = os.path.dirname(path)
            if found is not None or above == path:
                return found
            path = above
        return None

    def why_not_moved(self, denial: ReferDenial) -> str:
        """Return why an entry may not move between two directories."""
        source, target = denial.source, denial.target
        missing1, missing2 = denial.missing
        if denial.lacks_entry_right:
            place, missing = (source, missing1 - REFER) if missing1 - REFER else (target, missing2 - REFER)
            role = "source" if place is source else "target"
            return f"{role} directory {printable(place.path)}: {self.why_denied(place, missing, place.path)}"
        if missing1 or missing2:
            where = [f"the source directory {printable(source.path)}"] if missing1 else []
            where += [f"the target directory {printable(target.path)}"] if missing2 else []
            return f"refer is not granted on {' nor on '.join(where)}"
        gained1, gained2 = denial.gained
        gained, giver, taker = (gained1, target, source) if gained1 else (gained2, source, target)
        reason = f"the move would give the file {listed(gained)}"
        if gained <= taker.rights:
            # Granted on both sides, but only by a rule on /, which the comparison has not reached on this mount.
            return reason + ": on this mount the kernel compares before it reaches the rule on /"
        return reason + f", which {printable(giver.path)} grants and {printable(taker.path)} does not"


def line(ref: RuleRef) -> str:
    """Return the name of the file of ``ref``, and the line."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}"


def listed(rights: Iterable[str]) -> str:
    """Join ``rights`` with commas in the kernel's order; "nothing" for none."""
    return ", ".join(in_order(rights)) or "nothing"


def _lacks(ruled: RuledObject, missing: RightSet) -> str:
    rule, grant = ruled.refs[0]
    where = f"{printable(rule.path)} ({line(grant.ref)})"
    granted = NO_RIGHTS.union(*(each.rights for _, each in ruled.refs))
    if not granted:
        return f"{where} is not a directory, so its rule grants nothing"
    if missing & rule.rights and not missing & ruled.usable:
        return f"{where} is not a directory, so its rule cannot grant {listed(missing)}"
    return f"{where} grants {listed(granted)} but not {listed(missing)}"
