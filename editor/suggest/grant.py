"""Find the smallest edits of a policy that allow a denied access."""

import os
import re
from collections.abc import Iterable

from editor.editing.edits import Edit, EditError, GrantPath, GrantPort, SetScope, check
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RIGHTS, RightSet, in_order, listed
from editor.policy.model import path_key
from editor.sandbox.verdicts.report import Access

# A process has its directory in /proc only while it runs, so a rule on it would not help the next run.
_OF_A_PROCESS = re.compile(r"/proc/[0-9]+(/|\Z)")
_MAKING: RightSet = frozenset({"make_reg"})


class CannotGrant(ValueError):
    """No edit of the policy can allow this access. The message is a sentence."""


def grant(access: Access, resolved: ResolvedPolicy, *, rows: Iterable[Access] = ()) -> tuple[Edit, ...]:
    """Return the smallest edits of the policy ``resolved`` that allow the denied ``access``.

    ``rows`` are all accesses of the run. A rename or link that was denied has a row for each directory, and what is
    missing on either is granted. A file that the run itself created may have another name in the next run, so what is
    missing is granted on its directory. A path to which a rule of the policy resolves keeps that rule's spelling, so
    that the grant extends that rule.

    Raises CannotGrant with the reason if no edit can help.
    """
    _refuse_hopeless(access)
    kind = RIGHTS[next(iter(access.missing))].kind
    if kind == "scope":
        return tuple(SetScope(name, False) for name in in_order(access.missing))
    if kind == "net":
        if access.port is None:
            raise CannotGrant("The port of this access is unknown, so no rule can name it.")
        return (GrantPort(access.port, access.missing),)
    rows = tuple(rows)
    wanted: dict[str, RightSet] = {}
    for row in (access, *_same_refusal(access, rows)):
        place = _place(row, rows)
        wanted[place] = wanted.get(place, frozenset()) | row.missing
    spellings = _spellings(resolved)
    edits = tuple(GrantPath(spellings.get(place, place), rights) for place, rights in wanted.items())
    for edit in edits:
        try:
            check(edit)
        except EditError as error:
            raise CannotGrant(str(error)) from error
    return edits


def describe(edit: Edit, access: Access, *, rows: Iterable[Access] = ()) -> str:
    """Return a sentence on what ``edit``, made by ``grant`` with the same rows, allows, more than asked or not."""
    if isinstance(edit, SetScope):
        return (
            f"No longer restrict {edit.scope}. This widens the policy: a scope has no rules, so programs under it may "
            "then reach every process outside the sandbox this way."
        )
    if isinstance(edit, GrantPort):
        return f"Grant {listed(edit.rights)} on port {edit.port}, for any address."
    if isinstance(edit, GrantPath):
        beneath = " and everything beneath it" if os.path.isdir(edit.path) else ""
        sentence = f"Grant {listed(edit.rights)} on {printable(edit.path)}{beneath}."
        if access.object_path is not None and access.object_path != _place(access, rows):
            sentence += f" A rule for {printable(access.object_path)} itself would not last."
        return sentence
    raise TypeError(f"grant makes no {type(edit).__name__}")


def _refuse_hopeless(access: Access) -> None:
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


def _same_refusal(access: Access, rows: Iterable[Access]) -> Iterable[Access]:
    """Return the other directory's row of the rename or link that ``access`` belongs to."""
    return (
        row
        for row in rows
        if row.verdict == "denied"
        and row.missing
        and row.object_path != access.object_path
        and (row.syscall, row.pid, row.errno, row.reason) == (access.syscall, access.pid, access.errno, access.reason)
        and access.syscall.startswith(("rename", "link"))
    )


def _place(access: Access, rows: Iterable[Access]) -> str:
    """Return the path for a rule: the object of ``access``, or the nearest directory above that outlasts the run."""
    path = access.object_path
    if path is None or not path.startswith("/"):
        shown = printable(access.path or path or "this object")
        raise CannotGrant(f"{shown} is not on a filesystem path, so no rule can name it.")
    if _OF_A_PROCESS.match(path):
        return "/proc"
    if _created_by_run(access, rows):
        path = os.path.dirname(path)
    while path != "/" and not (_exists(path) and _is_text(path)):
        path = os.path.dirname(path)
    return path


def _created_by_run(access: Access, rows: Iterable[Access]) -> bool:
    """Whether the denied call had just created its object, as open(2) with O_CREAT does."""
    return any(
        row.verdict == "allowed"
        and row.rights == _MAKING
        and (row.path, row.syscall, row.process) == (access.path, access.syscall, access.process)
        for row in rows
    )


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def _is_text(path: str) -> bool:
    """Whether a policy, which is UTF-8, can contain ``path``."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spellings(resolved: ResolvedPolicy) -> dict[str, str]:
    """Return how the policy's rules spell the paths that they resolve to; a plain spelling wins."""
    spelled: dict[str, str] = {}
    for rule in resolved.paths:
        if rule.target is not None:
            known = spelled.get(rule.target)
            if known is None or path_key(rule.path) == rule.target:
                spelled[rule.target] = rule.path
    return spelled
