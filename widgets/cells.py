"""Fit text into terminal cells. Text is never parsed as markup, and no control character passes."""

import unicodedata

from rich.cells import cell_len, get_character_cell_size

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def visible(text: str) -> str:
    """Return ``text`` as one line of printable characters.

    Callers escape text so that nothing is lost. This is the second line of defence: a control character, line break,
    bidi control or surrogate that still got through becomes a replacement character.
    """
    if text.isprintable():
        return text
    # Python counts spaces other than the ASCII one as not printable; they are safe.
    return "".join(char if char.isprintable() or unicodedata.category(char) == "Zs" else REPLACEMENT for char in text)


def width_of(text: str) -> int:
    """Return the width of ``text`` in cells."""
    return len(text) if text.isascii() else cell_len(text)


def _head(text: str, cells: int) -> str:
    """Return as many whole characters from the start as fit into ``cells``."""
    if text.isascii():
        return text[:cells]
    used = 0
    for position, char in enumerate(text):
        used += get_character_cell_size(char)
        if used > cells:
            return text[:position]
    return text


def _tail(text: str, cells: int) -> str:
    """Return as many whole characters from the end as fit into ``cells``."""
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
    """Shorten ``text`` to at most ``cells`` cells by replacing its middle with an ellipsis.

    The end keeps the larger part, since long paths usually differ there.
    """
    if width_of(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    head = (cells - 1) // 3
    return _head(text, head) + ELLIPSIS + _tail(text, cells - 1 - head)


def elide_end(text: str, cells: int) -> str:
    """Shorten ``text`` to at most ``cells`` cells by replacing its end with an ellipsis."""
    if width_of(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    return _head(text, cells - 1) + ELLIPSIS


def fit(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells, elided in the middle or padded at the end."""
    text = elide_middle(text, cells)
    return text + " " * (cells - width_of(text))


def fit_right(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells, elided in the middle or padded at the start."""
    text = elide_middle(text, cells)
    return " " * (cells - width_of(text)) + text


def fit_end(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells, elided or padded at the end."""
    text = elide_end(text, cells)
    return text + " " * (cells - width_of(text))
