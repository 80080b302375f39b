"""Findings about rules on paths that every process resolves for itself, such as /proc/self and /dev/stdin."""

import os
from collections.abc import Iterator
from itertools import chain

from editor.analysis.lint.catalogue import Finding, finding
from editor.editing.meaning import variables_of
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.own_process import leaves_proc, own_process_path
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import FILE_RIGHTS, LATEST_ABI
from editor.policy.model import PathRule, Policy
from editor.policy.variables import expand


def lint_own_process(policy: Policy, resolved: ResolvedPolicy) -> Iterator[Finding]:
    """Yield at most two findings a rule: on files of one process, and on what a process has open."""
    decider = Decider(resolved, LATEST_ABI)
    everywhere = decider.rights_on("/proc")
    variables = variables_of(policy)
    for rule in policy.path_rules:
        own = _own_paths(rule, resolved, variables)
        alone = [path for path, real in own if not leaves_proc(real) and not _usable(rule, path) <= everywhere]
        objects = [(path, real) for path, real in own if leaves_proc(real)]
        if alone:
            message = (
                f"{_listed(alone)} belongs to one process, the command itself: the processes that it starts have "
                "another, and are denied. To cover them, grant the rights on /proc, which covers all processes."
            )
            yield finding("own-process", rule.location, message)
        for path, real in objects[:1]:
            if real.endswith("/exe"):
                shown = printable(path)
                message = f"{shown} is the program that enforces the policy, not the command: name the command's path."
                yield finding("own-process", rule.location, message)
            else:
                message = (
                    f"{_listed([each for each, _ in objects])} depends on the process: the rule belongs to what the "
                    "command finds there when it starts."
                )
                yield finding("own-process", rule.location, message, severity="note")


def _own_paths(rule: PathRule, resolved: ResolvedPolicy, variables: dict[str, frozenset[str]]) -> list[tuple[str, str]]:
    """Return the paths of ``rule`` that lead through /proc/self, each with the path below that."""
    paths = dict.fromkeys(chain.from_iterable(expand(parent.template, variables) for parent in rule.parents))
    found = [(path, own_process_path(resolved.absolute(path))) for path in paths if path]
    return [(path, own) for path, own in found if own is not None]


def _usable(rule: PathRule, path: str) -> frozenset[str]:
    return rule.rights if os.path.isdir(path) else rule.rights & FILE_RIGHTS


def _listed(paths: list[str]) -> str:
    return ", ".join(map(printable, paths))
