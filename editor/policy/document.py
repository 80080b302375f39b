"""A policy file as a person edits it: its text, what it means, and edits that change nothing else in it."""

import json
from typing import NamedTuple

from editor.landlock.rights import RightSet, rights_of
from editor.policy.edits import Edit, EditError
from editor.policy.errors import PolicyError
from editor.policy.locate import Format, Node, locate
from editor.policy.meaning import intended_of, meaning_of, newly_handled
from editor.policy.model import Policy
from editor.policy.parse import KEYS, parse_policy
from editor.policy.planning import plan
from editor.policy.relocate import relocated
from editor.policy.splice import Splice, inverted, spliced
from editor.policy.surgery import carry_out

# The last version that brought rights before ABI 9; kernels since 6.12 (the first long-term one with it) know it.
NEW_POLICY_ABI = 6


def new_policy_text(abi: int = NEW_POLICY_ABI, format: Format = "toml") -> str:
    """The text of a policy that denies everything that Landlock version ``abi`` can deny, to be filled with rules."""
    keys = KEYS[format]
    handled = [keys.handled_access_fs]
    handled += [keys.handled_access_net] if rights_of("net", abi) else []
    handled += [keys.scoped] if rights_of("scope", abi) else []
    if format == "json":
        return json.dumps({keys.abi: abi, keys.ruleset: [{key: ["abi.all"] for key in handled}]}, indent=2) + "\n"
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


NEW_POLICY_TEXT = new_policy_text()


class PolicyDocument(NamedTuple):
    """The text of one policy file with its meaning; never changed, an edit makes a new one.

    ``root`` is where everything stands in the text.
    """

    text: str
    file: str
    format: Format
    policy: Policy
    root: Node

    @classmethod
    def parse(cls, text: str, file: str, format: Format) -> "PolicyDocument":
        """The document of ``text``; ``file`` is for messages. Raises PolicyError where it is not a valid policy."""
        root = locate(text, format, file)
        return cls(text, file, format, parse_policy(text, file, format, root), root)

    def apply(self, edit: Edit) -> "PolicyDocument":
        """The document after ``edit``. Raises EditError with a sentence where it cannot be done."""
        return self.change(edit).after

    def change(self, edit: Edit) -> "Change":
        """What ``edit`` changes; nothing where it holds already.

        Only the lists and tables that must change are touched. The new text is parsed, and its meaning compared to what
        the edit should lead to. Raises EditError with a sentence where the edit is impossible.
        """
        steps = plan(self.policy, edit)
        splices = carry_out(self.text, self.format, self.root, steps) if steps else ()
        if not splices:
            return Change(self, self, ())
        text = spliced(self.text, splices)
        try:
            root = relocated(self.root, self.text, splices, text) if self.format == "toml" else None
            root = locate(text, self.format, self.file) if root is None else root
            policy = parse_policy(text, self.file, self.format, root)
            after = PolicyDocument(text, self.file, self.format, policy, root)
        except PolicyError as error:
            raise EditError(f"This edit would leave a policy that cannot be read: {error.message}.") from error
        if meaning_of(after.policy) != intended_of(self.policy, edit):
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
