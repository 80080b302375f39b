"""A policy file being edited: its text, its meaning, and edits that change nothing else in it."""

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

# The last version to add rights before ABI 9; long-term kernels have it since 6.12.
NEW_POLICY_ABI = 6


def new_policy_text(abi: int = NEW_POLICY_ABI, format: Format = "toml") -> str:
    """Return a policy without rules that denies everything that Landlock version ``abi`` can deny."""
    keys = KEYS[format]
    handled = [keys.handled_access_fs]
    handled += [keys.handled_access_net] if rights_of("net", abi) else []
    handled += [keys.scoped] if rights_of("scope", abi) else []
    if format == "json":
        members = ",\n".join(f'      "{key}": ["abi.all"]' for key in handled)
        return f'{{\n  "{keys.abi}": {abi},\n  "{keys.ruleset}": [\n    {{\n{members}\n    }}\n  ]\n}}\n'
    lines = [
        "# Landlock policy. Handled rights are denied unless a rule grants them.",
        f"abi = {abi}",
        "",
        "[[ruleset]]",
        *(f'{key} = ["abi.all"]' for key in handled),
        "",
        "# A rule grants rights on its parents and everything beneath them:",
        "#",
        "# [[path_beneath]]",
        '# allowed_access = ["abi.read_execute"]',
        '# parent = ["/usr"]',
        "",
    ]
    return "\n".join(lines)


def _with_variables(policy: Policy, variables: tuple[Variable, ...]) -> Policy:
    """Return ``policy`` with ``variables`` added; those of the command line replace all others of the same name."""
    if not variables:
        return policy
    replaced = {each.name: each.literals for each in variables if each.location.file == VAR_OPTION}
    every = (*policy.variables, *variables)
    return policy._replace(
        variables=tuple(
            each._replace(literals=replaced[each.name]) if each.name in replaced else each for each in every
        )
    )


class PolicyDocument(NamedTuple):
    """The text of one policy file with its meaning; immutable, an edit returns a new one.

    ``outline`` knows where the tables are in the text. ``given`` are variables that its paths may use: those of other
    files that it is composed with, and of the command line.
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
        """Parse ``text``; ``file`` is used in messages. Raises PolicyError if it is not a valid policy.

        ``near`` is a document with a similar text: only what differs is parsed.
        """
        if near is not None and (near.file, near.format, near.given) == (file, format, given):
            after = near.reread((difference(0, near.text, text),))
            if after is not None:
                return after
        root = locate(text, format, file)
        policy, problems = parse_collecting_errors(text, file, format, root, references=not given)
        if given and not problems:
            problems = tuple(variable_problems(_with_variables(policy, given)))
        if problems:
            raise problems[0]
        return cls(text, file, format, policy, outline_of(text, root), given)

    def with_given(self, given: tuple[Variable, ...]) -> "PolicyDocument":
        """Return the same text with other given variables. Raises PolicyError if a path uses one that is missing."""
        if given == self.given:
            return self
        for problem in variable_problems(_with_variables(self.policy, given)):
            raise problem
        return self._replace(given=given)

    @property
    def bound(self) -> Policy:
        """The policy, including the given variables."""
        return _with_variables(self.policy, self.given)

    @property
    def root(self) -> Node:
        """The tree of the text; computed on each access."""
        return self.outline.root(self.text, self.format)

    def reread(self, splices: Sequence[Splice]) -> "PolicyDocument | None":
        """Return the document after ``splices``; None if the whole text has to be parsed."""
        if not any(splice.removed or splice.inserted for splice in splices):
            return self
        parsed = reread(ParsedText(self.text, self.policy, self.outline), self.format, splices)
        if parsed is None:
            return None
        if changes_references(self.policy, parsed.policy):
            if self.given and variable_problems(_with_variables(parsed.policy, self.given)):
                return None
            if not self.given and not references_are_valid(parsed.policy):
                return None
        return PolicyDocument(parsed.text, self.file, self.format, parsed.policy, parsed.outline, self.given)

    def apply(self, edit: Edit) -> "PolicyDocument":
        """Return the document after ``edit``. Raises EditError with a sentence if it is impossible."""
        return self.change(edit).after

    def change(self, edit: Edit) -> "Change":
        """Apply ``edit`` and return the change, which is empty if the edit has no effect.

        Only lists and tables that must change are changed. They are parsed again, and the meaning of the whole is
        compared with the intended one. Raises EditError with a sentence if the edit is impossible.
        """
        steps = plan(self.bound, edit)
        splices = apply_steps(self.text, self.format, self.root, steps) if steps else ()
        if not splices:
            return Change(self, self, ())
        try:
            text = apply_splices(self.text, splices)
            after = self.reread(splices) or self.parse(text, self.file, self.format, given=self.given)
        except PolicyError as error:
            raise EditError(f"This edit would make the policy invalid: {error.message}.") from error
        if not has_intended_effect(self.bound, edit, after.bound):
            raise EditError("This edit would change more than intended; edit the text instead.")
        return Change(self, after, splices)


class Change(NamedTuple):
    """One applied edit: the document before and after, and the replaced parts of the text."""

    before: PolicyDocument
    after: PolicyDocument
    splices: tuple[Splice, ...]

    def inverted(self) -> "Change":
        """Return the change that undoes this one, to the same bytes as before."""
        return Change(self.after, self.before, inverted(self.splices))

    @property
    def newly_handled(self) -> RightSet:
        """The rights and scopes that the change restricts and that were not restricted before."""
        return newly_handled(self.before.policy, self.after.policy)
