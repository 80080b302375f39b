"""The policies of a run that asks, with what was granted meanwhile: in memory, until they are written."""

from collections.abc import Sequence

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.policy.compose import CompositionContext, Variables, files_of, given_variables
from editor.policy.files import format_of, read_text
from editor.policy.model import Policy
from editor.policy.parse import parse_collecting_errors


class Draft:
    """One layer of a run: a policy composed of ``paths``, the first file of which takes the grants.

    Raises PolicyError if it is not valid.
    """

    def __init__(self, paths: Sequence[str], variables: Variables) -> None:
        first, *others = (file for path in paths for file in files_of(path))
        policies = tuple(map(_read, others))
        self._context = CompositionContext((), policies, given_variables(variables), tuple(paths))
        text = read_text(first)
        self.before = PolicyDocument.parse(text, first, format_of(first, text), given=self._context.variables)
        """The file as it is."""
        self.document = self.before
        """The file with what was granted."""
        self.edits: tuple[Edit, ...] = ()
        """What was granted, in order."""
        self.resolved = self._resolve()
        """The whole policy with what was granted."""

    def grant(self, edits: Sequence[Edit]) -> None:
        """Grant in the draft. Raises EditError; then nothing is changed."""
        document = self.document
        for edit in edits:
            document = document.apply(edit)
        self.document = document
        self.edits += tuple(edits)
        self.resolved = self._resolve()

    def _resolve(self) -> ResolvedPolicy:
        return resolve(self._context.compose(self.document.policy))


def _read(file: str) -> Policy:
    text = read_text(file)
    policy, problems = parse_collecting_errors(text, file, format_of(file, text), references=False)
    if problems:
        raise problems[0]
    return policy
