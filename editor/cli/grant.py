"""``paddock grant``: grant rights on a path or port in a policy file, or on all of a directory but some of it."""

import os
import sys
from collections.abc import Iterator, Sequence

from editor.analysis.explain import Target, TargetError, parse_target, place
from editor.cli.console import Console, prepare_streams
from editor.cli.options import UsageError, new_parser, parse, shown, variables_of
from editor.cli.rewriting import difference_lines, read_document, write_document
from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError, GrantPath, GrantPort
from editor.editing.labels import describe
from editor.editing.meaning import meaning_of, newly_handled
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.rights import (
    DIRECTORY_RIGHTS,
    GROUPS,
    LATEST_ABI,
    NO_RIGHTS,
    Kind,
    RightSet,
    expand_element,
    in_order,
    listed,
)
from editor.suggest.exceptions import CannotExcept, Enumeration, edits_except, enumerate_except, enumerated
from editor.suggest.protected import ProtectedPlaces
from editor.suggest.purposes import READ

_PORT_SCHEMES = ("tcp:", "udp:")


def main(words: list[str]) -> int:
    """Grant rights in a policy file, or refresh its lists; status 0, also if nothing had to change."""
    parser = new_parser(
        "grant",
        "FILE --right R... PATH|PORT [--except PATH]... | FILE --refresh",
        "Grant rights in a policy file, on a path and everything beneath it or on a port (tcp:443, udp:domain). "
        "Landlock has no deny: --except grants each entry of the directory but the excepted one, on every level on the "
        "way to it, in rules under a comment; --refresh brings such rules up to date. Nothing else in the file "
        "changes. Status 0: done, or nothing to do, 2: error.",
    )
    parser.add_argument("words", nargs="*", metavar="FILE PATH|PORT")
    parser.add_argument(
        "--right",
        action="append",
        default=[],
        metavar="R",
        help="a right by its kernel name, or a group such as abi.all",
    )
    parser.add_argument(
        "--except",
        dest="excepted",
        action="append",
        default=[],
        metavar="PATH",
        help="leave out this place, beneath PATH or relative to it",
    )
    parser.add_argument("--refresh", action="store_true", help="enumerate again what rules with exceptions are about")
    parser.add_argument("--yes", action="store_true", help="grant also what opens a protected place, such as SSH keys")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="set a variable for this run")
    options = parse(parser, words)
    given: list[str] = options.words
    if len(given) != (1 if options.refresh else 2):
        parser.error("give one policy file" + ("" if options.refresh else ", and one path or port"))
    if options.refresh and (options.right or options.excepted):
        parser.error("--refresh takes rights and exceptions from the file")
    if not (options.refresh or options.right):
        parser.error("give the rights to grant with --right")
    prepare_streams()
    before = read_document(given[0], variables_of(options.var))
    if options.refresh:
        return _refresh(before, agreed=options.yes)
    return _grant(before, given[1], options.right, options.excepted, agreed=options.yes)


def _grant(before: PolicyDocument, text: str, names: Sequence[str], excepted: Sequence[str], *, agreed: bool) -> int:
    target, rights = _wanted(before, text, names)
    resolved = resolve(before.bound)
    found: Enumeration | None = None
    if target.port is not None:
        if excepted:
            raise UsageError("--except is for paths.")
        edits: tuple[Edit, ...] = (GrantPort(target.port, rights),)
    elif excepted:
        try:
            found = enumerate_except(target.name, excepted)
        except CannotExcept as error:
            raise UsageError(str(error)) from error
        edits = edits_except(before, found, rights)
    else:
        edits = (GrantPath(_spelled(target.name, resolved), rights),)
    if not excepted and (granting := _already(resolved, target, rights)):
        _say([f"{printable(before.file)} allows this already: {', '.join(granting)}. Nothing was changed."])
        return 0
    after = _applied(before, edits)
    if after.text == before.text:
        _say([f"{printable(before.file)} grants this already. Nothing was changed."])
        return 0
    if not agreed:
        _refuse_protected(before, after)
    write_document(before, after, "grant")
    _show(before, after, edits)
    _note(_notes(before, after, target, found, rights))
    return 0


def _refresh(before: PolicyDocument, *, agreed: bool) -> int:
    """Enumerate again all that the file's comments say is enumerated; status 2 if one of them cannot be."""
    known = enumerated(before)
    if not known:
        _say([f"{printable(before.file)} has no rules made with --except. Nothing was changed."])
        return 0
    after = before
    edits: list[Edit] = []
    failed: list[str] = []
    for each in known:
        try:
            found = enumerate_except(each.top, each.excepted)
            steps = edits_except(after, found, NO_RIGHTS)
            after = _applied(after, steps)
            edits += steps
        except CannotExcept as error:
            failed.append(str(error))
        except OSError as error:
            failed.append(f"{printable(each.top)}: {error.strerror}")
    if after.text == before.text:
        _say([f"{printable(before.file)} is up to date. Nothing was changed."])
    else:
        if not agreed:
            _refuse_protected(before, after)
        write_document(before, after, "grant")
        _show(before, after, ())
    _note(failed)
    return 2 if failed else 0


def _wanted(document: PolicyDocument, text: str, names: Sequence[str]) -> tuple[Target, RightSet]:
    """Return what to grant on, and the rights. Raises UsageError."""
    kind: Kind = "net" if text.startswith(_PORT_SCHEMES) else "fs"
    abi = document.policy.abi
    rights = NO_RIGHTS
    for name in names:
        if name in GROUPS and abi is None:
            raise UsageError(f"{name} stands for nothing in a policy without an abi: name the rights.")
        try:
            rights |= expand_element(name, kind, abi)
        except KeyError:
            raise UsageError(f"{name} has no rights for ports.") from None
    try:
        target = parse_target(text, tuple(in_order(rights)) or tuple(names))
    except TargetError as error:
        raise UsageError(str(error)) from error
    if target.kind == "scope":
        raise UsageError("a scope cannot be granted: remove it from scoped in a [[ruleset]] instead.")
    if target.kind == "path":
        target = target._replace(name=_absolute(target.name))
        if os.path.lexists(target.name) and not os.path.isdir(target.name):
            grouped = NO_RIGHTS.union(*(expand_element(name, "fs", abi) for name in names if name in GROUPS))
            if refused := (rights & DIRECTORY_RIGHTS) - grouped:
                raise UsageError(f"{shown(text)} is not a directory: {listed(refused)} cannot be granted on it.")
            rights -= DIRECTORY_RIGHTS
    return target, rights


def _absolute(path: str) -> str:
    """Return ``path`` as the policy has it: absolute, without ``..``."""
    whole = os.path.join(os.getcwd(), path)
    return os.path.realpath(whole) if ".." in whole.split("/") else os.path.normpath(whole)


def _spelled(path: str, resolved: ResolvedPolicy) -> str:
    """Return ``path`` as a rule of the policy spells it, if there is one on the same object."""
    real = os.path.realpath(path)
    return next((each.path for each in resolved.paths if each.target == real), path)


def _already(resolved: ResolvedPolicy, target: Target, rights: RightSet) -> list[str]:
    """Return the rules that allow all of it already; none if something is denied or not restricted."""
    decider = Decider(resolved, LATEST_ABI)
    if target.port is not None:
        decisions = [decider.port(target.port, right) for right in in_order(rights)]
    elif os.path.exists(target.name):
        decisions = [decider.file(target.name, rights)]
    else:
        return []
    if any(not each.allowed or each.uncontrolled for each in decisions):
        return []
    return list(dict.fromkeys(place(ref) for each in decisions for ref in each.decided_by))


def _applied(document: PolicyDocument, edits: Sequence[Edit]) -> PolicyDocument:
    try:
        for edit in edits:
            document = document.apply(edit)
    except EditError as error:
        raise UsageError(str(error)) from error
    return document


def _refuse_protected(before: PolicyDocument, after: PolicyDocument) -> None:
    """Raise UsageError if ``after`` opens a protected place that ``before`` does not."""
    known = meaning_of(before.bound).paths
    places = ProtectedPlaces(os.path.dirname(os.path.abspath(before.file)))
    opened: dict[str, None] = {}
    for path, rights in meaning_of(after.bound).paths.items():
        if new := rights - known.get(path, NO_RIGHTS):
            real = os.path.realpath(path)
            inside = places.inside(real, writing=not new <= READ, directory=os.path.isdir(real))
            if inside is not None:
                opened[inside] = None
    if opened:
        raise UsageError(f"this opens protected places: {'; '.join(opened)}. Nothing was written; --yes grants it.")


def _notes(
    before: PolicyDocument, after: PolicyDocument, target: Target, found: Enumeration | None, rights: RightSet
) -> Iterator[str]:
    """Yield what to know about the grant, as sentences."""
    if handled := newly_handled(before.policy, after.policy):
        yield f"Newly handled, so denied wherever no rule grants it: {listed(handled)}."
    if target.kind == "path" and not os.path.exists(target.name):
        yield f"{printable(target.name)} does not exist: its rule grants nothing before it does."
    if found is None:
        return
    yield from found.limits(rights)
    if before.format == "json":
        yield "JSON has no comments, so --refresh will not find these rules."
    decider = Decider(resolve(after.bound), LATEST_ABI)
    for name in found.excepted:
        path = os.path.join(found.top, name)
        if not os.path.lexists(path):
            yield f"{printable(path)} does not exist."
        for right in in_order(rights):
            decision = decider.file(path, frozenset({right}))
            if decision.allowed:
                why = ", ".join(place(ref) for ref in decision.decided_by) or decision.reason
                yield f"{printable(path)} is excepted, but {right} stays allowed there: {why}."


def _show(before: PolicyDocument, after: PolicyDocument, edits: Sequence[Edit]) -> None:
    console = Console(sys.stdout)
    console.write(f"{printable(before.file)}: {describe(edit)}" for edit in edits)
    console.write(difference_lines(before, after, console))


def _say(lines: Sequence[str]) -> None:
    Console(sys.stdout).write(lines)


def _note(sentences: Sequence[str] | Iterator[str]) -> None:
    for sentence in sentences:
        sys.stderr.write(f"paddock grant: {sentence}\n")
