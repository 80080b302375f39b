"""Letters for the rights on a row: one per group of rights, always in the same order."""

from collections.abc import Iterable
from typing import Final

from widgets.tree_model import RowKind

# Letter, meaning and rights of each group, in the order of display.
_LETTERS: Final[tuple[tuple[str, str, frozenset[str]], ...]] = (
    ("r", "read", frozenset({"read_file", "read_dir"})),
    ("w", "write", frozenset({"write_file"})),
    ("t", "truncate", frozenset({"truncate"})),
    ("x", "execute", frozenset({"execute"})),
    (
        "c",
        "create",
        frozenset({"make_char", "make_dir", "make_reg", "make_sock", "make_fifo", "make_block", "make_sym"}),
    ),
    ("d", "delete", frozenset({"remove_dir", "remove_file"})),
    ("m", "move between directories", frozenset({"refer"})),
    ("i", "ioctl on devices", frozenset({"ioctl_dev"})),
    ("u", "UNIX sockets", frozenset({"resolve_unix"})),
)
# Rights in a group that do not apply to files.
_ONLY_DIRECTORIES: Final = frozenset({"read_dir"})

LEGEND: Final[tuple[tuple[str, str], ...]] = tuple((letter, meaning) for letter, meaning, _ in _LETTERS)
"""Each letter and what it stands for; a capital letter means that only part of its group is granted."""


def rights_letters(rights: Iterable[str], kind: RowKind) -> str:
    """Return the letters for ``rights``: a dash for a group without any, a capital for part of a group."""
    granted = frozenset(rights)
    letters = []
    for letter, _, group in _LETTERS:
        whole = group - _ONLY_DIRECTORIES if kind in ("file", "other") else group
        in_group = granted & group
        letters.append("-" if not in_group else letter if in_group >= whole else letter.upper())
    return "".join(letters)
