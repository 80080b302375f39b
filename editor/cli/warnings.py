"""What ``paddock run`` warns of: one line for a policy, or with ``--verbose`` one for each warning.

Each has the id of the finding that ``paddock check`` reports for it. Loaded only if there is something to warn of.
"""

from typing import NamedTuple

from editor.escape import printable
from editor.evaluation.file_rights import file_rules
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.ruleset import FINDING_IDS, Note
from editor.policy.model import Policy

# What to say of one and of several warnings with the same id; others are said in full.
_SUMMARIES = {
    "missing-path": ("1 path does not exist: its rule grants nothing", "paths do not exist: their rules grant nothing"),
    "unreadable-path": (
        "1 path cannot be opened: its rule grants nothing",
        "paths cannot be opened: their rules grant nothing",
    ),
    "file-right": (
        "1 rule names rights that cannot be granted on its files",
        "rules name rights that cannot be granted on their files",
    ),
}


class _Warning(NamedTuple):
    """One warning; ``place`` is the prefix that says where in the policy its cause is."""

    id: str
    place: str
    message: str


def warning_lines(
    policy: Policy, resolved: ResolvedPolicy, notes: tuple[Note, ...], *, is_located: bool, verbose: bool
) -> list[str]:
    """Return the lines about ``notes``, which building the ruleset of ``resolved`` has made.

    Unless ``is_located``, the policy was read without line numbers: it is read again if a line shows one.
    """
    # Building makes a note for each file, whether or not its rule is meant for files; what the rule names decides.
    number_on_files = sum(note.kind == "not_for_file" for note in notes)
    others = [note for note in notes if note.kind != "not_for_file"]
    misplaced = list(file_rules(policy, resolved)) if number_on_files else []
    number = len(others) + len(misplaced)
    if number > 1 and not verbose:
        ids = [*(FINDING_IDS[note.kind] for note in others), *("file-right" for _ in misplaced)]
        whole = [note.message.rstrip(".") for note in others if FINDING_IDS[note.kind] not in _SUMMARIES]
        parts = [*whole, *(_summary(id_, ids.count(id_)) for id_ in dict.fromkeys(ids) if id_ in _SUMMARIES)]
        return [f"{printable(policy.file)}: {'; '.join(parts)} (--verbose lists them)"]
    places: dict[str, str] = {}
    if misplaced or any(note.subject for note in others):
        if not is_located:
            from editor.evaluation.resolve import resolve  # noqa: PLC0415
            from editor.policy.parse import read_policy  # noqa: PLC0415

            policy = read_policy(policy.file)
            resolved = resolve(policy, base=resolved.base)
            misplaced = list(file_rules(policy, resolved)) if number_on_files else []
        places = _places(resolved)
    found = [
        _Warning(
            FINDING_IDS[note.kind],
            places.get(note.subject, f"{printable(note.subject)}: ") if note.subject else "",
            note.message,
        )
        for note in others
    ]
    for each in misplaced:
        location = each.parent.location
        found.append(_Warning("file-right", f"{printable(location.file)}:{location.line}: ", each.message))
    return [f"{each.place}{each.message} [{each.id}]" for each in found]


def _summary(id: str, number: int) -> str:
    one, many = _SUMMARIES[id]
    return one if number == 1 else f"{number} {many}"


def _places(resolved: ResolvedPolicy) -> dict[str, str]:
    """Return where the rule for each absolute path is, as the prefix of a message."""
    places = {}
    for path in resolved.paths:
        ref = path.refs[0].ref
        places[resolved.absolute(path.path)] = f"{printable(ref.file)}:{ref.line}: {printable(path.path)}: "
    return places
