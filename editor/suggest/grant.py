"""From a denial to the smallest edits that turn it into an allowance."""

import os
import re
from collections.abc import Iterable

from editor.editing.edits import Edit, EditError, GrantPath, GrantPort, SetScope, check
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RIGHTS, RightSet, in_order, listed
from editor.policy.model import path_key
from editor.sandbox.verdicts.report import Access

# A process's own directory below /proc exists only while it runs: a rule on it is of no use to the next run.
_OF_A_PROCESS = re.compile(r"/proc/[0-9]+(/|\Z)")
_MAKING: RightSet = frozenset({"make_reg"})


class CannotGrant(ValueError):
    """No edit of the policy can turn this access into an allowance. The message is a sentence for a person."""


def grant(access: Access, resolved: ResolvedPolicy, *, together: Iterable[Access] = ()) -> tuple[Edit, ...]:
    """Return the smallest edits of the policy that turn the denied ``access`` into an allowance.

    ``together`` are the other rows of the run. They tell where a rename or link was refused as a whole, one row a
    directory (what is missing on either is granted), and which files the run itself had made (the next run makes
    others: what is missing is granted on the directory). A path that a rule of the policy, ``resolved``, leads to
    keeps that rule's spelling, so that the grant joins it.

    Raises CannotGrant with the reason where no edit can help.
    """
    _refuse_hopeless(access)
    kind = RIGHTS[next(iter(access.missing))].kind
    if kind == "scope":
        return tuple(SetScope(name, False) for name in in_order(access.missing))
    if kind == "net":
        if access.port is None:
            raise CannotGrant("The port of this access is not known, so no rule can name it.")
        return (GrantPort(access.port, access.missing),)
    rows = tuple(together)
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


def describe(edit: Edit, access: Access, *, together: Iterable[Access] = ()) -> str:
    """What ``edit``, made by ``grant`` with the same rows, permits, as a sentence: also where it is more than asked."""
    if isinstance(edit, SetScope):
        return (
            f"No longer restrict {edit.scope}. This widens the policy: a scope has no rules, so all programs under it "
            "may then reach every process outside the sandbox this way."
        )
    if isinstance(edit, GrantPort):
        return f"Grant {listed(edit.rights)} on port {edit.port}, for any address."
    if isinstance(edit, GrantPath):
        beneath = " and everything beneath it" if os.path.isdir(edit.path) else ""
        sentence = f"Grant {listed(edit.rights)} on {printable(edit.path)}{beneath}."
        if access.object_path is not None and access.object_path != _place(access, together):
            sentence += f" {printable(access.object_path)} itself cannot be named by a lasting rule."
        return sentence
    raise TypeError(f"grant makes no {type(edit).__name__}")


def _refuse_hopeless(access: Access) -> None:
    """Raise CannotGrant for what no policy can permit or forbid."""
    because = f": {access.reason}" if access.reason else ""
    if access.verdict == "allowed":
        raise CannotGrant("This was allowed: there is nothing to grant.")
    if access.verdict == "uncontrolled":
        raise CannotGrant(f"This policy has no say in it, so there is nothing to grant{because}.")
    if access.verdict == "failed":
        error = f" ({access.errno})" if access.errno else ""
        raise CannotGrant(f"The kernel refused this for another reason than the policy{because or error}.")
    if not access.missing:
        raise CannotGrant(f"No rule can permit this{because}.")


def _same_refusal(access: Access, rows: Iterable[Access]) -> Iterable[Access]:
    """The other directory's row of the rename or link that ``access`` is a part of."""
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
    """The path that a rule for ``access`` should name: its object, or the nearest above that a rule can last on."""
    path = access.object_path
    if path is None or not path.startswith("/"):
        shown = printable(access.path or path or "this object")
        raise CannotGrant(f"{shown} is not on a filesystem path, so no rule can name it.")
    if _OF_A_PROCESS.match(path):
        return "/proc"
    if _made_by_the_run(access, rows):
        path = os.path.dirname(path)
    while path != "/" and not (_exists(path) and _is_text(path)):
        path = os.path.dirname(path)
    return path


def _made_by_the_run(access: Access, rows: Iterable[Access]) -> bool:
    """Whether the call that was refused had made its object a moment before (open(2) with O_CREAT)."""
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
    """Whether a policy, which is UTF-8, can hold ``path``."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spellings(resolved: ResolvedPolicy) -> dict[str, str]:
    """How the policy's own rules spell the places they lead to; plain spellings stay as they are."""
    spelled: dict[str, str] = {}
    for rule in resolved.paths:
        if rule.target is not None:
            known = spelled.get(rule.target)
            if known is None or path_key(rule.path) == rule.target:
                spelled[rule.target] = rule.path
    return spelled
