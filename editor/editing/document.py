"""A policy file as a person edits it: its text, what it means, and edits that change nothing else in it."""

from collections.abc import Sequence
from typing import NamedTuple

from editor.editing.apply_steps import apply_steps
from editor.editing.edits import Edit, EditError
from editor.editing.meaning import has_intended_effect, newly_handled
from editor.editing.plan import plan
from editor.editing.reread import ParsedText, changes_references, references_are_valid, reread
from editor.editing.splice import Splice, apply_splices, difference, inverted
from editor.landlock.rights import RightSet, rights_of
from editor.policy.compose import VAR_OPTION, variable_problems
from editor.policy.errors import PolicyError
from editor.policy.keys import KEYS
from editor.policy.locate import Format, Node, locate
from editor.policy.model import Policy, Variable
from editor.policy.outline import Outline, outline_of
from editor.policy.parse import parse_collecting_errors

# The last version that brought rights before ABI 9; kernels since 6.12 (the first long-term one with it) know it.
NEW_POLICY_ABI = 6


def new_policy_text(abi: int = NEW_POLICY_ABI, format: Format = "toml") -> str:
    """The text of a policy that denies everything that Landlock version ``abi`` can deny, to be filled with rules."""
    keys = KEYS[format]
    handled = [keys.handled_access_fs]
    handled += [keys.handled_access_net] if rights_of("net", abi) else []
    handled += [keys.scoped] if rights_of("scope", abi) else []
    if format == "json":
        members = ",\n".join(f'      "{key}": ["abi.all"]' for key in handled)
        return f'{{\n  "{keys.abi}": {abi},\n  "{keys.ruleset}": [\n    {{\n{members}\n    }}\n  ]\n}}\n'
    lines = [
        "# Landlock policy. What is handled is denied unless a rule grants it.",
        f"abi = {abi}",
        "",
        "[[ruleset]]",
        *(f'{key} = ["abi.all"]' for key in handled),
        "",
        "# A rule grants rights on everything beneath its parents:",
        "#",
        "# [[path_beneath]]",
        '# allowed_access = ["abi.read_execute"]',
        '# parent = ["/usr"]',
        "",
    ]
    return "\n".join(lines)


def _with(policy: Policy, variables: tuple[Variable, ...]) -> Policy:
    """``policy`` with ``variables`` beside its own; those of the command line stand in place of all of their name."""
    if not variables:
        return policy
    instead = {each.name: each.literals for each in variables if each.location.file == VAR_OPTION}
    every = (*policy.variables, *variables)
    return policy._replace(
        variables=tuple(each._replace(literals=instead[each.name]) if each.name in instead else each for each in every)
    )


class PolicyDocument(NamedTuple):
    """The text of one policy file with its meaning; never changed, an edit makes a new one.

    ``outline`` is where the tables stand in the text. ``given`` are variables of other files that it is
    composed with, or of the command line: its paths may use them.
    """

    text: str
    file: str
    format: Format
    policy: Policy
    outline: Outline
    given: tuple[Variable, ...] = ()

    @classmethod
    def parse(
        cls,
        text: str,
        file: str,
        format: Format,
        *,
        near: "PolicyDocument | None" = None,
        given: tuple[Variable, ...] = (),
    ) -> "PolicyDocument":
        """The document of ``text``; ``file`` is for messages. Raises PolicyError where it is not a valid policy.

        ``near`` is a document of a text that has much in common with it: only what differs is read.
        """
        if near is not None and (near.file, near.format, near.given) == (file, format, given):
            after = near.reread((difference(0, near.text, text),))
            if after is not None:
                return after
        root = locate(text, format, file)
        policy, problems = parse_collecting_errors(text, file, format, root, references=not given)
        if given and not problems:
            problems = tuple(variable_problems(_with(policy, given)))
        if problems:
            raise problems[0]
        return cls(text, file, format, policy, outline_of(text, root), given)

    def with_given(self, given: tuple[Variable, ...]) -> "PolicyDocument":
        """The same text beside other variables. Raises PolicyError where a path uses one that is missing then."""
        if given == self.given:
            return self
        for problem in variable_problems(_with(self.policy, given)):
            raise problem
        return self._replace(given=given)

    @property
    def bound(self) -> Policy:
        """The policy with the variables of other files beside its own."""
        return _with(self.policy, self.given)

    @property
    def root(self) -> Node:
        """Where everything stands in the text; found anew each time."""
        return self.outline.root(self.text, self.format)

    def reread(self, splices: Sequence[Splice]) -> "PolicyDocument | None":
        """The document after ``splices``; None where only reading all of it can tell."""
        if not any(splice.removed or splice.inserted for splice in splices):
            return self
        reading = reread(ParsedText(self.text, self.policy, self.outline), self.format, splices)
        if reading is None:
            return None
        if changes_references(self.policy, reading.policy):
            given = self.given
            if variable_problems(_with(reading.policy, given)) if given else not references_are_valid(reading.policy):
                return None
        return PolicyDocument(reading.text, self.file, self.format, reading.policy, reading.outline, self.given)

    def apply(self, edit: Edit) -> "PolicyDocument":
        """The document after ``edit``. Raises EditError with a sentence where it cannot be done."""
        return self.change(edit).after

    def change(self, edit: Edit) -> "Change":
        """What ``edit`` changes; nothing where it holds already.

        Only the lists and tables that must change are touched. They are parsed, and the meaning of the whole compared
        to what the edit should lead to. Raises EditError with a sentence where the edit is impossible.
        """
        steps = plan(self.bound, edit)
        splices = apply_steps(self.text, self.format, self.root, steps) if steps else ()
        if not splices:
            return Change(self, self, ())
        try:
            text = apply_splices(self.text, splices)
            after = self.reread(splices) or self.parse(text, self.file, self.format, given=self.given)
        except PolicyError as error:
            raise EditError(f"This edit would leave a policy that cannot be read: {error.message}.") from error
        if not has_intended_effect(self.bound, edit, after.bound):
            raise EditError("This edit would change more than it says; edit the text instead.")
        return Change(self, after, splices)


class Change(NamedTuple):
    """One edit carried out: the document before and after, and the parts of the text that were replaced."""

    before: PolicyDocument
    after: PolicyDocument
    splices: tuple[Splice, ...]

    def inverted(self) -> "Change":
        """The change back: the same bytes as before."""
        return Change(self.after, self.before, inverted(self.splices))

    @property
    def newly_handled(self) -> RightSet:
        """What the change restricts everywhere that was not restricted before; see `meaning.newly_handled`."""
        return newly_handled(self.before.policy, self.after.policy)
