"""Findings about moving files between directories, which Landlock denies in more cases than a policy states."""

from collections.abc import Iterator

from editor.analysis.lint.catalogue import Finding, finding
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RightSet
from editor.policy.model import Location, Policy

_MAKING: RightSet = frozenset({"make_reg", "make_sym", "make_fifo", "make_sock", "make_char", "make_block"})
# What moving a directory, and a file of each other type, needs to leave one directory and to enter another.
_MOVES = (("remove_dir", "make_dir"), *(("remove_file", make) for make in sorted(_MAKING)))


def lint_moves(policy: Policy, resolved: ResolvedPolicy, decider: Decider, start: Location) -> Iterator[Finding]:
    """Yield at most one finding: nothing can move between any two directories.

    ``start`` is the place for a finding about the policy as a whole.
    """
    if not decider.handled:
        return
    # Rules only add rights: what is possible somewhere is possible in a directory with a rule or where none applies.
    targets = [path.target for path in resolved.paths if path.is_dir and path.target]
    places = list({decider.rights_on(place): place for place in ("/", *targets)}.values())

    def can(right: str, *, cross: bool) -> bool:
        rights = frozenset({right, "refer"} if cross else {right})
        return any(decider.file(place, rights).allowed for place in places)

    # Whether a file gains rights by the move depends on the file, so that alone is never reported.
    if any(can(remove, cross=True) and can(make, cross=True) for remove, make in _MOVES):
        return
    named = next((rule for rule in policy.path_rules if "refer" in rule.allowed_access), None)
    if named is not None and not any(can(make, cross=True) for make in _MAKING):  # nor can a file be linked
        shown = printable(named.parents[0].template)
        message = f"{shown} is granted refer, but nothing can be made where refer is granted: it has no effect."
        yield finding("refer-alone", named.location, message)
    elif any(decider.file(place, frozenset(move)).allowed for place in places for move in _MOVES):
        yield _refer_denied(policy, start)


def _refer_denied(policy: Policy, start: Location) -> Finding:
    """Return the finding at a rule that grants making and removing files.

    It is a note if there is none, or if the policy handles refer: then that is probably intended.
    """
    meant = next((rule for rule in policy.path_rules if any(rule.rights >= set(move) for move in _MOVES)), None)
    location = meant.location if meant is not None else start
    if "refer" in policy.handled_fs:
        message = "Moving files between directories is denied everywhere: no rule grants refer where they can be made."
        return finding("refer-denied", location, message, severity="note")
    message = "Moving files between directories is denied everywhere, although refer is not handled"
    if meant is None:
        return finding("refer-denied", location, f"{message}.", severity="note")
    return finding("refer-denied", location, f"{message}: grant refer too.")
