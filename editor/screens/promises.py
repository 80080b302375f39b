"""The promises of this system, to add to the draft or to bring up to date."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from editor.editing.document import PolicyDocument
from editor.escape import printable
from editor.landlock.rights import listed
from editor.screens.list_dialog import CANCEL, Answer, ListDialog
from editor.suggest.promises.catalogue import CATALOGUE, found
from editor.suggest.promises.promise import Promise
from editor.suggest.promises.system import System
from editor.suggest.promises.writing import edits_of, marks_of
from widgets.proposal_list import ProposalList, ProposalRow

_NEW, _PRESENT, _OUTDATED = "To add", "In the policy", "In the policy, outdated"
_MAX_PLACES = 3


class PromisesScreen(ListDialog[tuple[Promise, ...]]):
    """Shows what this system has of each promise. Dismissed with those to write into ``document``, or None."""

    HEADING = "Promises"
    ANSWERS = (Answer("write", "Add", "g"), CANCEL)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "write", "Add", show=False),
    ]

    def __init__(self, document: PolicyDocument) -> None:
        super().__init__()
        self._document = document
        self._groups: dict[str, str] = {}
        self._promises: dict[str, Promise] = {}
        self._ticked: set[str] = set()

    def make_list(self) -> ProposalList:
        """Return the list."""
        return ProposalList(id="list")

    def on_mount(self) -> None:
        self.show_about("looking at this system")
        self._look()

    @work(exclusive=True, group="promises")
    async def _look(self) -> None:
        await asyncio.to_thread(self._find)
        absent = [name for name in CATALOGUE if name not in self._promises]
        text = "Each is a bundle of rules, found by reading this system."
        text += f" Not on this system: {', '.join(absent)}." if absent else ""
        self.show_about(text)
        self._show_rows()
        self.query_one(ProposalList).focus()

    def _find(self) -> None:
        """Find all promises; in a thread, as the system is read."""
        system = System()
        known = {words[0]: words[1:] for words in marks_of(self._document)}
        for name in CATALOGUE:
            promise = found(name, system, programs=known.get(name, ()) if name == "exec" else ())
            if not promise.is_found:
                continue
            self._promises[name] = promise
            changes = bool(edits_of(promise, self._document))
            self._groups[name] = _NEW if name not in known else _OUTDATED if changes else _PRESENT

    def _show_rows(self) -> None:
        rows = [
            ProposalRow(name, name in self._ticked, f"{name:<10}", promise.title, self._groups[name], _details(promise))
            for name, promise in self._promises.items()
        ]
        rows.sort(key=lambda row: (_OUTDATED, _NEW, _PRESENT).index(row.group))
        self.query_one(ProposalList).show_rows(rows)
        self.show_label(f"Add {len(self._ticked)}")

    @on(ProposalList.Toggled)
    def _toggled(self, event: ProposalList.Toggled) -> None:
        event.stop()
        self._ticked ^= {event.name}
        self._show_rows()

    def action_write(self) -> None:
        """Write what is ticked into the draft."""
        self.dismiss(tuple(promise for name, promise in self._promises.items() if name in self._ticked))


def _details(promise: Promise) -> tuple[str, ...]:
    """Return why, and what it holds."""
    places = [f"{printable(each.path)}  {listed(each.rights)}: {each.reason}" for each in promise.places]
    ports = [f"port {each.port}  {listed(each.rights)}: {each.reason}" for each in promise.ports]
    lines = [*places, *ports]
    more = len(lines) - _MAX_PLACES
    return (promise.why, *lines[:_MAX_PLACES], f"and {more} more: paddock promise {promise.name}" if more > 0 else "")
