"""Draw one row of the tree: name and note on the left, rights at the right edge."""

from typing import Final

from widgets.cells import elide_end, elide_middle, visible, width_of
from widgets.line_list import Piece
from widgets.rights_letters import LEGEND, rights_letters
from widgets.tree_model import Node, TreeRow

INDENT: Final = 2
"""The indentation of each level, in cells."""

# The name keeps at least this width.
_MIN_NAME: Final = 12
# From this width on, a row also shows where its inherited rights come from.
_MIN_WIDTH_FOR_SOURCE: Final = 60
_BADGE_WIDTH: Final = len(LEGEND) + 2


def message_pieces(node: Node, width: int) -> list[Piece]:
    """Return the line of a message."""
    return [(elide_end(" " * (INDENT * node.depth) + "  " + visible(node.message), width), "policy-tree--note")]


def row_pieces(row: TreeRow, node: Node, width: int) -> list[Piece]:
    """Return the line of ``row`` in ``width`` cells: indentation, name, notes, and the rights at the right edge."""
    indent = " " * (INDENT * node.depth)
    indent = indent[: max(0, width - _BADGE_WIDTH - _MIN_NAME - 3)]
    mark = ("▾ " if node.expanded else "▸ ") if row.expandable else "  "
    room = width - _BADGE_WIDTH - 1
    name_room = room - len(indent) - len(mark)
    left = _left(row)
    wanted = sum(width_of(text) for text, _ in left)
    source = ""
    if width >= _MIN_WIDTH_FOR_SOURCE and name_room - wanted >= 4:
        source = elide_middle(_source_text(row), min(room // 3, name_room - wanted - 2))
    name_room = max(1, name_room - (width_of(source) + 1 if source else 0))
    pieces: list[Piece] = [(indent, ""), (mark, "policy-tree--guide")]
    pieces += _fit_pieces(left, name_room)
    if source:
        pieces.append((source + " ", "policy-tree--inherited"))
    pieces.append((" ", ""))
    pieces += _badge(row)
    return pieces


def _left(row: TreeRow) -> list[Piece]:
    """Return the name, the target of a link, and the note."""
    label = visible(row.label)
    style = {"dir": "policy-tree--directory", "missing": "policy-tree--missing"}.get(row.kind, "")
    pieces: list[Piece] = [(label, style)]
    if row.link_target is not None:
        pieces.append((" -> " + visible(row.link_target), "policy-tree--link"))
    note = visible(row.note)
    if row.kind == "missing" and "missing" not in note:
        note = f"missing: {note}" if note else "missing"
    if note:
        pieces.append(("  " + note, "policy-tree--missing" if row.kind == "missing" else "policy-tree--note"))
    return pieces


def _source_text(row: TreeRow) -> str:
    """Return where inherited rights come from, and which they are if others are granted here."""
    if not row.inherited:
        return ""
    origin = f"from {visible(row.inherited_from)}" if row.inherited_from else "inherited"
    if not row.given:
        return origin
    return f"{rights_letters(row.inherited, row.kind).replace('-', '')} {origin}"


def _badge(row: TreeRow) -> list[Piece]:
    """Return the letters at the right edge, rights given here stronger than inherited ones."""
    both = rights_letters((*row.given, *row.inherited), row.kind)
    given = rights_letters(row.given, row.kind)
    pieces: list[Piece] = [("* " if row.given else "  ", "policy-tree--given")]
    for letter, here in zip(both, given, strict=True):
        style = "none" if letter == "-" else "inherited" if here == "-" else "given"
        pieces.append((letter, f"policy-tree--{style}"))
    return pieces


def _fit_pieces(pieces: list[Piece], cells: int) -> list[Piece]:
    """Fit ``pieces`` into exactly ``cells`` cells: the first is elided in its middle, then later ones are cut."""
    fitted: list[Piece] = []
    for position, (text, style) in enumerate(pieces):
        shown = elide_middle(text, cells) if position == 0 else elide_end(text, cells)
        if shown:
            fitted.append((shown, style))
        cells -= width_of(shown)
    fitted.append((" " * cells, ""))
    return fitted
