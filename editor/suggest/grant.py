"""Find the smallest edits of a policy that allow a denied access."""

from collections.abc import Iterable, Iterator

from editor.editing.edits import Edit, GrantPath, GrantPort, SetScope
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RightSet, in_order, kind_of
from editor.policy.model import path_key
from editor.sandbox.verdicts.report import Access
from editor.suggest.lasting import CannotGrant, lasting_place

_TWO_NAMES = ("rename", "link")


def grant(access: Access, resolved: ResolvedPolicy, *, rows: Iterable[Access] = ()) -> tuple[Edit, ...]:
    """Return the smallest edits of the policy ``resolved`` that allow the denied ``access``, one of ``rows``.

    ``rows`` are all accesses of the run. A rename or link that was denied has a row for each directory, and what is
    missing on either is granted. A file that the run itself made is another one in the next run, so what is missing is
    granted on the directory in which it is made. A path to which a rule of the policy resolves keeps that rule's
    spelling, so that the grant extends that rule. Raises CannotGrant with the reason if no edit can help.
    """
    refuse_hopeless(access)
    kind = kind_of(next(iter(access.missing)))
    if kind == "scope":
        return tuple(SetScope(name, False) for name in in_order(access.missing))
    if kind == "net":
        return (GrantPort(port_of(access), access.missing),)
    wanted: dict[str, RightSet] = {}
    for row in (access, *_same_refusal(access, rows)):
        place = lasting_place(row)
        wanted[place] = wanted.get(place, frozenset()) | row.missing
    spelled = spellings(resolved)
    return tuple(GrantPath(spelled.get(place, place), rights) for place, rights in wanted.items())


def _same_refusal(access: Access, rows: Iterable[Access]) -> Iterator[Access]:
    """Yield the rows of the rename or link that ``access`` is a row of, for its other directory."""
    if access.syscall.startswith(_TWO_NAMES):
        for row in rows:
            if (
                row.verdict == "denied"
                and row.missing
                and row.object_path != access.object_path
                and _refusal(row) == _refusal(access)
            ):
                yield row


def refuse_hopeless(access: Access) -> None:
    """Raise CannotGrant for an access that no policy can allow or deny."""
    because = f": {access.reason}" if access.reason else ""
    if access.verdict == "allowed":
        raise CannotGrant("This was allowed, so there is nothing to grant.")
    if access.verdict == "uncontrolled":
        raise CannotGrant(f"The policy does not control this, so there is nothing to grant{because}.")
    if access.verdict == "failed":
        error = f" ({access.errno})" if access.errno else ""
        raise CannotGrant(f"The kernel refused this for a reason other than the policy{because or error}.")
    if not access.missing:
        raise CannotGrant(f"No rule can allow this{because}.")


def port_of(access: Access) -> int:
    """Return the port of an access to the network. Raises CannotGrant if it is unknown."""
    if access.port is None:
        raise CannotGrant("The port of this access is unknown, so no rule can name it.")
    return access.port


def _refusal(access: Access) -> tuple[object, ...]:
    """Return what the rows of one refused rename or link have in common."""
    return access.syscall, access.pid, access.errno, access.reason


def spellings(resolved: ResolvedPolicy) -> dict[str, str]:
    """Return how the policy's rules spell the paths that they resolve to; a plain spelling wins."""
    spelled: dict[str, str] = {}
    for rule in resolved.paths:
        if rule.target is not None:
            known = spelled.get(rule.target)
            if known is None or path_key(rule.path) == rule.target:
                spelled[rule.target] = rule.path
    return spelled
