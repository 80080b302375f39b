"""A plan: how a policy could allow what programs needed, as an ordered list of proposals."""

from typing import Literal, NamedTuple

from editor.editing.edits import Edit
from editor.sandbox.verdicts.report import Access

Fold = Literal["exact", "balanced", "broad"]
"""How far accesses fold into rules on directories."""

Kind = Literal["exact", "directory", "promise", "temporary", "enumerated"]
"""What a proposal grants on: just what was used; a directory instead of many entries; a promise's rules; the directory
of names that will not be there next time; all entries of a directory but those excepted."""


class Proposal(NamedTuple):
    """One suggested grant: ``edits``, all together, allow ``accesses``. Without edits nothing can, and ``why`` says so.

    ``sentence`` says what it grants and ``why`` what for; ``purpose`` is the comment for the rule, a few words. All are
    printable. ``beyond`` says what else it would allow, as counted on this filesystem, such as "412 more files under
    /etc"; empty if nothing. ``tolerated`` is true of what the run got along without. ``confirm``, unless empty, names
    the protected place that the grant opens and what is inside: a person has to agree to it.
    """

    edits: tuple[Edit, ...]
    accesses: tuple[Access, ...]
    kind: Kind
    sentence: str
    why: str = ""
    purpose: str = ""
    beyond: str = ""
    tolerated: bool = False
    confirm: str = ""


class Plan(NamedTuple):
    """The proposals for one policy, those that matter most first."""

    proposals: tuple[Proposal, ...]

    @property
    def needed(self) -> tuple[Proposal, ...]:
        """What "grant all needed" applies: neither tolerated, nor hopeless, nor to be confirmed."""
        return tuple(each for each in self.proposals if each.edits and not each.tolerated and not each.confirm)
