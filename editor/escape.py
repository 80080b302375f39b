"""Make untrusted text safe to show: names can contain newlines, escape sequences and bytes that are not UTF-8."""

import unicodedata

# Cc control, Cf format (bidi overrides, zero width), Cs surrogates (undecodable bytes), Co private use,
# Cn unassigned, Zl/Zp line breaks: each can move the cursor, or hide or reorder text.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: str) -> str:
    """Return ``text`` on one line of visible characters, with all that could disturb a terminal or layout escaped.

    It is for display only: a backslash in ``text`` is not escaped, so the result cannot always be reversed.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNSAFE else char for char in text)
