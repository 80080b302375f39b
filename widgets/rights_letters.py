"""The letters that stand for the rights on a row: one a group of rights, always in the same order."""

from collections.abc import Iterable
from typing import Final

from widgets.tree_model import RowKind

# The letters of a row's rights: one a group of rights, in this order, a dash where none of the group is granted.
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
# Of a group, what a file can hold.
_ONLY_DIRECTORIES: Final = frozenset({"read_dir"})

LEGEND: Final[tuple[tuple[str, str], ...]] = tuple((letter, meaning) for letter, meaning, _ in _LETTERS)
"""Each letter of a row's rights and what it stands for; a capital letter is a part of its group only."""


def rights_letters(rights: Iterable[str], kind: RowKind) -> str:
    """The letters of ``rights``: a dash for a group without any, a capital for a part of a group only."""
    held = frozenset(rights)
    letters = []
    for letter, _, group in _LETTERS:
        whole = group - _ONLY_DIRECTORIES if kind in ("file", "other") else group
        have = held & group
        letters.append("-" if not have else letter if have >= whole else letter.upper())
    return "".join(letters)
