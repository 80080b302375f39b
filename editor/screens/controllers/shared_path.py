"""The question about an edit of a path that shares its rule with others through a variable."""

from editor.editing.shared_paths import SharedPath
from editor.escape import printable
from editor.screens.questions import Choice, Question

_MOST_PATHS = 8


def shared_path_question(shared: SharedPath) -> Question:
    """Return the question of which paths an edit should change. Answers: "all", "split" or "cancel"."""
    entry = shared.entries[0]
    paths = [printable(path) for path in entry.paths]
    listed = "\n".join(f"  {path}" for path in paths[:_MOST_PATHS])
    if len(paths) > _MOST_PATHS:
        listed += f"\n  and {len(paths) - _MOST_PATHS} more"
    more = f" (as do {len(shared.entries) - 1} more entries)" if len(shared.entries) > 1 else ""
    text = (
        f"Line {entry.line} names {printable(shared.path)} as {printable(entry.template)}{more}. Its rule grants the "
        f"same rights on {len(paths)} paths:\n{listed}\n\nSplitting off this path gives it a rule of its own. To take "
        "rights away from it, the variable is first replaced by the paths."
    )
    choices = (
        Choice("all", f"Change all {len(paths)} paths", "a", "primary"),
        Choice("split", "Split off this path", "s"),
        Choice("cancel", "Cancel", "c"),
    )
    return Question("One of several paths", text, choices)
