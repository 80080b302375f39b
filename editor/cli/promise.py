"""``paddock promise``: list and explain named bundles of rules, and add one to a policy or bring it up to date."""

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import FORMATS, UsageError, new_parser, parse, split_command
from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError
from editor.escape import printable
from editor.landlock.rights import in_order, listed
from editor.policy.files import decode, format_of
from editor.policy.suggestions import did_you_mean
from editor.suggest.promises.catalogue import CATALOGUE, UnknownPromise, found
from editor.suggest.promises.promise import Promise
from editor.suggest.promises.system import System
from editor.suggest.promises.writing import edits_of, marked, marks_of
from editor.workspace.saving import read_file, write_file

Granted = frozenset[tuple[str, str]]
"""A right and the path or port that it is on, each pair as rules name it."""


class Written(NamedTuple):
    """How a policy changed: what rules grant there now and did not, what they no longer grant; notes for the user."""

    added: Granted
    removed: Granted
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object for ``--format json``."""
        return {"added": sorted(self.added), "removed": sorted(self.removed), "notes": list(self.notes)}


def main(words: list[str]) -> int:
    """List or explain promises, or write one into a policy; status 0, or 2 for an error."""
    parser = new_parser(
        "promise",
        "[--format text|json] [NAME [FILE] [-- PROGRAM...]] | --refresh FILE",
        "A promise is a named bundle of rules, found by reading this system. Without arguments, list all; with NAME, "
        "show what it holds and why; with FILE, add it to that policy as rules under a comment, or bring these up to "
        "date. exec also takes programs that it is to start. Status 0; 2: error.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME [FILE]", help="a promise, and a policy to write it to")
    parser.add_argument("--refresh", action="store_true", help="bring all promises in FILE up to date")
    parser.add_argument("--format", choices=FORMATS, default="text")
    words, programs = split_command(words)
    options = parse(parser, words)
    if len(options.names) > 2:
        parser.error(f"unexpected argument: {printable(options.names[2])}")
    if programs and options.names[:1] != ["exec"]:
        parser.error("only the promise exec takes programs")
    prepare_streams()
    console = Console(sys.stdout)
    system = System()
    programs = tuple(os.path.abspath(each) if "/" in each else each for each in programs)
    for program in programs:
        if system.command(program) is None:
            raise UsageError(f"No program {printable(program)} was found{'' if '/' in program else ' in PATH'}.")
    if options.refresh:
        if len(options.names) != 1 or programs:
            parser.error("--refresh takes one policy file")
        _refresh(options.names[0], system, console, options.format)
        return 0
    if not options.names:
        promises = [found(name, system) for name in CATALOGUE]
        if options.format == "json":
            print_json({"promises": [_json(each) for each in promises]})
        else:
            console.write(_listing(promises, console))
        return 0
    promise = _found(options.names[0], system, programs)
    if len(options.names) == 1:
        if options.format == "json":
            print_json(_json(promise))
        else:
            console.write(_explanation(promise, console))
        return 0
    _add(promise, options.names[1], console, options.format)
    return 0


def _found(name: str, system: System, programs: Sequence[str]) -> Promise:
    try:
        return found(name, system, programs=programs)
    except UnknownPromise as error:
        known = did_you_mean(name, CATALOGUE)
        raise UsageError(f"{error} {known[:1].upper() + known[1:] or 'See paddock promise.'}") from error


def _add(promise: Promise, file: str, console: Console, format: str) -> None:
    """Add ``promise`` to the policy ``file``, or bring its rules there up to date, and report what changed."""
    data, document = _read(file)
    if not promise.is_found and not any(marked(document, promise)):
        raise UsageError(f"This system has nothing of the promise {promise.name}, so {printable(file)} stays as it is.")
    written = _write([promise], data, document)
    if format == "json":
        print_json({"file": file, "promise": promise.name, **written.to_json()})
    else:
        console.write(_report(f"promise {promise.name}", file, written, console))


def _refresh(file: str, system: System, console: Console, format: str) -> None:
    """Bring all promises in the policy ``file`` up to date, and report what changed."""
    data, document = _read(file)
    marks = marks_of(document)
    promises = [found(name, system, programs=programs) for name, *programs in marks if name in CATALOGUE]
    written = _write(promises, data, document)
    unknown = dict.fromkeys(name for name, *_ in marks if name not in CATALOGUE)
    written = written._replace(
        notes=(*written.notes, *(f"There is no promise '{printable(name)}': its rules stay." for name in unknown))
    )
    names = list(dict.fromkeys(each.name for each in promises))
    if format == "json":
        print_json({"file": file, "promises": names, **written.to_json()})
    else:
        console.write(_report(f"promises {', '.join(names) or '(none)'}", file, written, console))


def _read(file: str) -> tuple[bytes, PolicyDocument]:
    """Return the content of the policy ``file``. Raises PolicyError, OSError or UsageError."""
    data = read_file(file)
    if data is None:
        raise UsageError(f"{printable(file)} does not exist; paddock --sample or paddock learn makes a new policy.")
    text = decode(data, file)
    return data, PolicyDocument.parse(text, file, format_of(file, text))


def _write(promises: Sequence[Promise], data: bytes, before: PolicyDocument) -> Written:
    """Write ``promises`` into the policy ``before``, whose file has ``data``. Raises SaveError or UsageError."""
    after = before
    notes: dict[str, None] = {}
    for promise in promises:
        document = after
        try:
            for edit in edits_of(promise, document):
                after = after.apply(edit)
        except EditError as error:
            raise UsageError(f"{printable(before.file)}: {error}") from error
        notes |= dict.fromkeys(_notes(promise, document, after))
    if after.text != before.text:
        write_file(before.file, after.text.encode(), expected=data)
    then, now = _granted(before), _granted(after)
    return Written(now - then, then - now, tuple(notes))


def _granted(document: PolicyDocument) -> Granted:
    rules = document.policy
    paths = {(right, each.template) for rule in rules.path_rules for right in rule.rights for each in rule.parents}
    ports = {(right, str(each.port)) for rule in rules.port_rules for right in rule.rights for each in rule.ports}
    return frozenset(paths | ports)


def _notes(promise: Promise, before: PolicyDocument, after: PolicyDocument) -> Iterator[str]:
    handled = before.policy.handled_fs | before.policy.handled_net
    held = frozenset[str]().union(*(rule.rights for rule in promise.rules))
    if open_rights := held - handled:
        yield f"Left out, because the policy does not restrict it: {listed(open_rights)}."
    own = marked(after, promise)
    named = {parent.template for rule in own.paths for parent in rule.parents}
    others = [each for each in promise.handled(handled).places if each.path.replace("$", "$$") not in named]
    if others and named:
        yield f"Left out, because other rules grant it: {_counted(len(others), 'path')} of {promise.name}."
    if after.text != before.text and not (own.paths or own.ports):
        yield (
            "The rules have no comment, because the file has no place for one above each of them: when the system "
            "changes, this command will add what is missing, but not remove what is no longer there."
        )


def _listing(promises: Sequence[Promise], console: Console) -> list[str]:
    rows = []
    for each in promises:
        name = console.paint(each.name, "bold") if each.is_found else console.paint(each.name, "dim")
        rows.append([name, _contents(each) if each.is_found else "not on this system", each.title])
    return [*columns(rows, indent=""), "", "paddock promise NAME shows what it holds and why."]


def _contents(promise: Promise) -> str:
    """Return how many paths and ports there are, in words."""
    counts = ((len(promise.places), "path"), (len(promise.ports), "port"))
    return ", ".join(_counted(count, noun) for count, noun in counts if count)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _explanation(promise: Promise, console: Console) -> list[str]:
    lines = [f"{console.paint(promise.name, 'bold')}: {promise.title}", *textwrap.wrap(promise.why, 100), ""]
    if not promise.is_found:
        return [*lines, "This system has nothing of the kind."]
    rows = []
    for place in promise.places:
        path = printable(place.path)
        leads = f" -> {printable(place.target)}" if place.target != place.path else ""
        rows.append([path + leads, listed(place.rights), place.reason])
    rows += [[f"port {port.port}", listed(port.rights), port.reason] for port in promise.ports]
    return [*lines, *columns(rows)]


def _report(subject: str, file: str, written: Written, console: Console) -> list[str]:
    shown = printable(file)
    changes = [("+", "allowed", written.added), ("-", "denied", written.removed)]
    lines = []
    for sign, style, pairs in changes:
        rights: dict[str, set[str]] = {}
        for right, place in pairs:
            rights.setdefault(place, set()).add(right)
        for each in sorted(rights):
            noun = "port " if each.isdecimal() else ""
            lines.append(console.paint(f"  {sign} {noun}{printable(each)}  {listed(rights[each])}", style))
    if lines:
        return [f"{shown}: {subject}", *lines, *written.notes]
    return [f"{shown}: {subject}: nothing to change", *written.notes]


def _json(promise: Promise) -> dict[str, Any]:
    return {
        "name": promise.name,
        "title": promise.title,
        "why": promise.why,
        "found": promise.is_found,
        "paths": [
            {"path": each.path, "target": each.target, "rights": in_order(each.rights), "reason": each.reason}
            for each in promise.places
        ],
        "ports": [
            {"port": each.port, "rights": in_order(each.rights), "reason": each.reason} for each in promise.ports
        ],
    }
