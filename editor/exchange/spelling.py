"""What both Landlock Config formats share: how strings and rights are written, and comments."""

import unicodedata

from editor.exchange import Source
from editor.landlock.rights import mask_of
from editor.policy.locate import locate
from editor.policy.tree import Node

_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
# As in editor.escape: characters that move the cursor, or hide or reorder text.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def quoted(text: str, *, wide: bool) -> str:
    """Return ``text`` as a string for TOML and JSON, with misleading characters escaped.

    ``wide`` writes escapes above U+FFFF as TOML's ``\\UXXXXXXXX`` instead of JSON's pair of surrogates.
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escaped(character, wide=wide) for character in text) + '"'


def _escaped(character: str, *, wide: bool) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    if wide:
        return f"\\U{code:08x}"
    return f"\\u{0xD800 + ((code - 0x10000) >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def right_element(written: str, *, wide: bool) -> str:
    """Return an element of a list of rights in TOML (``wide``) or JSON: a quoted name, or a number."""
    mask = mask_of(written)
    if mask is None:
        return quoted(written, wide=wide)
    return hex(mask) if wide else str(mask)


def count_comments(source: Source) -> int:
    """Return how many comments a TOML text has."""
    if source.format != "toml" or "#" not in source.text:
        return 0
    quoted_spans: list[tuple[int, int]] = []
    pending: list[Node] = [locate(source.text, "toml", "")]
    while pending:
        node = pending.pop()
        if node.kind == "string":
            quoted_spans.append((node.span.start, node.span.end))
        pending += node.items
        for field in node.fields:
            quoted_spans.append((field.key_span.start, field.key_span.end))
            pending.append(field.node)
    quoted_spans.sort()
    count = position = 0
    spans = iter(quoted_spans)
    span = next(spans, None)
    while (found := source.text.find("#", position)) >= 0:
        while span is not None and span[1] <= found:
            span = next(spans, None)
        if span is not None and span[0] <= found:
            position = span[1]
            continue
        count += 1
        end = source.text.find("\n", found)
        if end < 0:
            break
        position = end
    return count
