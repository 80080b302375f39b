"""``paddock promise``: list and explain named bundles of rules, and add one to a policy or bring it up to date."""

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
from editor.suggest.promises.writing import edits_of, marked
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
        "[--format text|json] [NAME [FILE] [-- PROGRAM...]]",
        "A promise is a named bundle of rules, found by reading this system. Without arguments, list all; with NAME, "
        "show what it holds and why; with FILE, add it to that policy as rules under a comment, or bring these up to "
        "date. exec also takes programs that it is to start. Status 0; 2: error.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME [FILE]", help="a promise, and a policy to write it to")
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
    file = options.names[1]
    written = _write(promise, file)
    if options.format == "json":
        print_json({"file": file, "promise": promise.name, **written.to_json()})
    else:
        console.write(_report(promise, file, written, console))
    return 0


def _found(name: str, system: System, programs: Sequence[str]) -> Promise:
    try:
        return found(name, system, programs=programs)
    except UnknownPromise as error:
        known = did_you_mean(name, CATALOGUE)
        raise UsageError(f"{error} {known[:1].upper() + known[1:] or 'See paddock promise.'}") from error


def _write(promise: Promise, file: str) -> Written:
    """Write ``promise`` into the policy ``file``. Raises PolicyError, SaveError, OSError or UsageError."""
    if not promise.is_found:
        raise UsageError(f"This system has nothing of the promise {promise.name}, so {printable(file)} stays as it is.")
    data = read_file(file)
    if data is None:
        raise UsageError(f"{printable(file)} does not exist; paddock --sample or paddock learn makes a new policy.")
    text = decode(data, file)
    before = PolicyDocument.parse(text, file, format_of(file, text))
    after = before
    try:
        for edit in edits_of(promise, before):
            after = after.apply(edit)
    except EditError as error:
        raise UsageError(f"{printable(file)}: {error}") from error
    if after.text != before.text:
        write_file(file, after.text.encode(), expected=data)
    then, now = _granted(before), _granted(after)
    return Written(now - then, then - now, tuple(_notes(promise, before, after)))


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
    return ", ".join(f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counts if count)


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


def _report(promise: Promise, file: str, written: Written, console: Console) -> list[str]:
    shown = printable(file)
    changes = [("+", "allowed", written.added), ("-", "denied", written.removed)]
    lines = []
    for sign, style, pairs in changes:
        rights: dict[str, set[str]] = {}
        for right, subject in pairs:
            rights.setdefault(subject, set()).add(right)
        for each in sorted(rights):
            noun = "port " if each.isdecimal() else ""
            lines.append(console.paint(f"  {sign} {noun}{printable(each)}  {listed(rights[each])}", style))
    if lines:
        return [f"{shown}: promise {promise.name}", *lines, *written.notes]
    return [f"{shown}: promise {promise.name} is there already, nothing to change", *written.notes]


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
