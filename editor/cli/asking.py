"""Questions of a run: answered from a script, by a key in the terminal, or by default."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, TextIO

from editor.cli.applying import Target, apply_edits
from editor.cli.ask_options import AskOptions
from editor.cli.drafting import Draft
from editor.cli.options import UsageError
from editor.cli.prompting import Terminal
from editor.editing.edits import EditError
from editor.editing.labels import describe
from editor.escape import printable
from editor.policy.compose import Variables
from editor.sandbox.events import Answer, Choice, Event, Finished, Question, Withdrawn
from editor.sandbox.runner import Run
from editor.suggest.answers import Script, answer_lines, parse_answers
from editor.suggest.plan import Proposal
from editor.suggest.questions import EMULATED, callers, described, proposals

_KEYS: dict[bytes, Choice] = {
    b"a": "allow", b"r": "allow-for-run", b"g": "grant", b"d": "deny", b"D": "deny-always", b"k": "kill",
}  # fmt: skip
_CHOICES = "[a]llow once  allow for this [r]un  [g]rant  [d]eny  [D]eny always  [k]ill  (Ctrl-C ends the run)"
_DONE: dict[Choice, str] = {
    "allow": "allowed once", "allow-for-run": "allowed for this run", "grant": "granted", "deny": "denied",
    "deny-always": "denied always", "kill": "the run is ended",
}  # fmt: skip


@contextlib.contextmanager
def asker_for(options: AskOptions, layers: Sequence[Sequence[str]], variables: Variables) -> "Iterator[Asker]":
    """Open what ``options`` name, and yield what answers.

    ``layers`` are the files and directories of each layer. Raises OSError, PolicyError, UsageError.
    """
    script = Script()
    if options.answers is not None:
        with open(options.answers, encoding="utf-8") as file:
            try:
                script = parse_answers(file.read(), options.answers)
            except ValueError as error:  # also text that is not UTF-8
                raise UsageError(printable(str(error))) from error
    drafts = [Draft(paths, variables) for paths in layers]
    with contextlib.ExitStack() as stack:
        saved = None
        if options.save is not None:
            saved = stack.enter_context(open(options.save, "w", encoding="utf-8"))
        asker = Asker(drafts, script, options.default, saved)
        try:
            yield asker
        finally:
            asker.close()


class CannotAnswer(ValueError):
    """A question cannot be answered like this. The message is a sentence."""


class Asker:
    """Answers the questions of one run. ``drafts`` are its layers, the oldest first: grants go there.

    ``script`` answers first, then whoever sits at the terminal, one question at a time; without a terminal, the answer
    is ``default``. Answers are also written to ``saved``.
    """

    def __init__(
        self, drafts: Sequence[Draft], script: Script, default: Literal["allow", "deny"], saved: TextIO | None = None
    ) -> None:
        self._drafts = drafts
        self._script = script
        self._default: Choice = default
        self._saved = saved
        self._terminal = Terminal.open()
        self._waiting: dict[int, Question] = {}
        self._shown: Question | None = None
        self._confirmed: Question | None = None
        self._run: Run

    def begin(self, run: Run) -> None:
        """Answer the questions of ``run`` from now on; say what that means."""
        self._run = run
        _say(f"asks before what the policy denies; {EMULATED}")
        if self._terminal is None:
            _say(f"there is no terminal: what --answers leaves open is answered with {self._default} (--ask-default)")

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors to watch for input; ``read_key`` takes it."""
        return () if self._shown is None or self._terminal is None else (self._terminal.fileno(),)

    def handle(self, event: Event) -> None:
        """Take note of an event of the run; show the next question if none is shown."""
        if isinstance(event, Question):
            self._ask(event)
        elif isinstance(event, Withdrawn):
            self._waiting.pop(event.number, None)
            if self._shown is not None and self._shown.number == event.number:
                self._leave("no answer is needed any more")
        elif isinstance(event, Finished):
            self._waiting.clear()
            if self._shown is not None:
                self._leave("the run is over")
        self._show_next()

    def read_key(self) -> None:
        """Read a key: it answers the question that is shown."""
        question, terminal = self._shown, self._terminal
        if question is None or terminal is None:
            return
        key = terminal.read_key()
        if not key:
            self._lose_terminal()
        elif (choice := _KEYS.get(key)) is not None:
            try:
                answer = self._made(question, choice)
            except CannotAnswer as error:
                terminal.write_lines((f"  {error}",))
            else:
                self._leave(_DONE[choice])  # first, since the program goes on at once
                self._send(question, answer)
                self._show_next()

    def close(self) -> None:
        """Give the terminal back."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    def conclude(self, target: Target | None) -> None:
        """Write what was granted into ``target``, as far as it is for that layer; say what was not written.

        Raises SaveError, EditError.
        """
        for at, draft in enumerate(self._drafts):
            if target is not None and target.layer == at and draft.edits:
                apply_edits(target, draft.edits, "test")
            else:
                for edit in draft.edits:
                    _say(f"granted, and not written yet: {printable(draft.before.file)}: {describe(edit)}")

    # Answers

    def _ask(self, question: Question) -> None:
        self._waiting[question.number] = question
        choice = self._script.answer(question.accesses)
        if choice is None and self._terminal is None:
            choice = self._default
        if choice is None:
            return
        try:
            self._send(question, self._made(question, choice))
        except CannotAnswer as error:
            _say(f"{described(question.accesses[0])}: {error}")
            if self._terminal is None:
                self._send(question, Answer(self._default))

    def _made(self, question: Question, choice: Choice) -> Answer:
        """Return the answer to ``question``, after granting what it grants. Raises CannotAnswer."""
        if choice != "grant":
            return Answer(choice)
        self._grant(question)
        return Answer(choice, tuple(draft.resolved for draft in self._drafts))

    def _send(self, question: Question, answer: Answer) -> None:
        del self._waiting[question.number]
        self._run.answer(question.number, answer)
        if self._saved is not None:
            self._saved.writelines(f"{line}\n" for line in answer_lines(question.accesses, answer.choice))
            self._saved.flush()

    def _grant(self, question: Question) -> None:
        """Grant what ``question`` is about in the drafts. Raises CannotAnswer."""
        wanted = self._proposals(question)
        for _, proposal in wanted:
            if not proposal.edits:
                raise CannotAnswer(f"No rule can allow this: {proposal.sentence}")
        opened = next((proposal.confirm for _, proposal in wanted if proposal.confirm), "")
        if opened and self._confirmed is not question:
            if self._shown is not question:
                raise CannotAnswer(f"not granted, since you have to agree: this opens {opened}")
            self._confirmed = question
            raise CannotAnswer(f"This opens {opened}. Press g again to grant it.")
        try:
            for draft, proposal in wanted:
                draft.grant(proposal.edits)
        except EditError as error:
            raise CannotAnswer(str(error)) from error

    def _proposals(self, question: Question) -> list[tuple[Draft, Proposal]]:
        found = proposals(question, [draft.resolved for draft in self._drafts])
        return [(self._drafts[at], proposal) for at, proposal in found]

    # The terminal

    def _show_next(self) -> None:
        if self._shown is not None or self._terminal is None or not self._waiting:
            return
        question = next(iter(self._waiting.values()))
        try:
            self._terminal.take()
        except OSError:
            self._lose_terminal()
            return
        self._shown = question
        waiting = len(self._waiting) - 1
        more = f" ({waiting} more wait{'s' if waiting == 1 else ''})" if waiting else ""
        lines = [
            f"--- paddock asks{more}; {EMULATED}",
            *(f"  {described(access)}" for access in question.accesses),
            f"  by {callers(question)}",
            *(f"  g: {proposal.sentence}" for _, proposal in self._proposals(question) if proposal.edits),
            f"  {_CHOICES}",
        ]
        self._terminal.write_lines(("", *lines))

    def _leave(self, how: str) -> None:
        """Give the terminal back to the command; say how the question ended."""
        self._shown = None
        if self._terminal is not None:
            self._terminal.write(f"  {how}\n")
            self._terminal.give_back()

    def _lose_terminal(self) -> None:
        """Nobody can answer any more."""
        self.close()
        self._shown = None
        for question in list(self._waiting.values()):
            self._send(question, Answer(self._default))


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"paddock test: {text}\n")
        sys.stderr.flush()
