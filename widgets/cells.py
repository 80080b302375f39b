"""Fitting text into terminal cells. Text is never markup here, and what could disturb a terminal never passes."""

import unicodedata

from rich.cells import cell_len, get_character_cell_size

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def visible(text: str) -> str:
    """``text`` as one line of characters that a terminal shows as they are.

    Callers escape what they show so that nothing is lost; this is the second line of defence: a control character,
    line break, bidi control or surrogate that got through becomes a replacement character.
    """
    if text.isprintable():
        return text
    # Python calls blanks other than the ASCII one not printable; they are harmless.
    return "".join(char if char.isprintable() or unicodedata.category(char) == "Zs" else REPLACEMENT for char in text)


def width_of(text: str) -> int:
    """How many cells ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def _head(text: str, cells: int) -> str:
    """As many whole characters from the start as fit into ``cells``."""
    if text.isascii():
        return text[:cells]
    used = 0
    for position, char in enumerate(text):
        used += get_character_cell_size(char)
        if used > cells:
            return text[:position]
    return text


def _tail(text: str, cells: int) -> str:
    """As many whole characters from the end as fit into ``cells``."""
    if cells <= 0:
        return ""
    if text.isascii():
        return text[-cells:]
    used = 0
    for position in range(len(text) - 1, -1, -1):
        used += get_character_cell_size(text[position])
        if used > cells:
            return text[position + 1 :]
    return text


def elide_middle(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells: where it is too long, its middle gives way to an ellipsis.

    The end keeps the larger half, since that is where two long paths differ.
    """
    if width_of(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    head = (cells - 1) // 3
    return _head(text, head) + ELLIPSIS + _tail(text, cells - 1 - head)


def elide_end(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells: where it is too long, its end gives way to an ellipsis."""
    if width_of(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    return _head(text, cells - 1) + ELLIPSIS


def fit(text: str, cells: int) -> str:
    """``text`` in exactly ``cells`` cells: elided in the middle, or padded at the end."""
    text = elide_middle(text, cells)
    return text + " " * (cells - width_of(text))


def fit_right(text: str, cells: int) -> str:
    """``text`` in exactly ``cells`` cells: elided in the middle, or padded at the start."""
    text = elide_middle(text, cells)
    return " " * (cells - width_of(text)) + text


def fit_end(text: str, cells: int) -> str:
    """``text`` in exactly ``cells`` cells, elided or padded at its end."""
    text = elide_end(text, cells)
    return text + " " * (cells - width_of(text))
