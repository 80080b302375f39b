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
    """Yield up to three findings a rule: on files of one process, on its program, and on what else it has open."""
    everywhere = Decider(resolved, LATEST_ABI).rights_on("/proc")
    variables = variables_of(policy)
    for rule in policy.path_rules:
        files: list[str] = []
        programs: list[str] = []
        objects: list[str] = []
        for path, own in _own_paths(rule, resolved, variables):
            if leaves_proc(own):
                (programs if own.endswith("/exe") else objects).append(printable(path))
            elif not _usable(rule, resolved.absolute(path)) <= everywhere:
                files.append(printable(path))
        if files:
            message = (
                f"{', '.join(files)} belongs to one process, the command itself: the processes that it starts have "
                "another, and are denied. Keep it if that is enough, or grant the rights on /proc, for all processes."
            )
            yield finding("own-process", rule.location, message)
        if programs:
            message = (
                f"{programs[0]} is the program that enforces the policy, not the command: name the command's path."
            )
            yield finding("own-process", rule.location, message)
        if objects:
            message = (
                f"{', '.join(objects)} depends on the process: the rule belongs to what the command finds there when "
                "it starts."
            )
            yield finding("own-process", rule.location, message, severity="note")


def _own_paths(rule: PathRule, resolved: ResolvedPolicy, variables: dict[str, frozenset[str]]) -> list[tuple[str, str]]:
    """Return the paths of ``rule`` that lead through /proc/self, each with the path below that."""
    paths = dict.fromkeys(chain.from_iterable(expand(parent.template, variables) for parent in rule.parents))
    found = [(path, own_process_path(resolved.absolute(path))) for path in paths if path]
    return [(path, own) for path, own in found if own is not None]


def _usable(rule: PathRule, path: str) -> frozenset[str]:
    return rule.rights if os.path.isdir(path) else rule.rights & FILE_RIGHTS
