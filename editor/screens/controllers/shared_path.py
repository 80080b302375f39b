"""An edit of a path that a variable names together with others: ask what is meant."""

from editor.editing.shared_paths import SharedPath
from editor.escape import printable
from editor.screens.questions import Choice, Question

_MOST_PATHS = 8


def shared_path_question(shared: SharedPath) -> Question:
    """Ask what an edit is meant for. Answers: "all", "split", or None for neither."""
    entry = shared.entries[0]
    paths = [printable(path) for path in entry.paths]
    listed = "\n".join(f"  {path}" for path in paths[:_MOST_PATHS])
    if len(paths) > _MOST_PATHS:
        listed += f"\n  and {len(paths) - _MOST_PATHS} more"
    more = f" (and {len(shared.entries) - 1} more such)" if len(shared.entries) > 1 else ""
    text = (
        f"Line {entry.line} names {printable(shared.path)} as {printable(entry.template)}{more}. Its rule gives the "
        f"same rights on {len(paths)} paths:\n{listed}\n\nTo split this path off, they are written out where it is to "
        "have less than the others; where it is to have more, it gets a rule of its own."
    )
    choices = (
        Choice("all", f"Change all {len(paths)} paths", "a", "primary"),
        Choice("split", "Split this path off", "s"),
        Choice("cancel", "Cancel", "c"),
    )
    return Question("One path of several", text, choices)
