"""Select Graphic Rendition (SGR): the colours and text styles that ``ESC [ ... m`` sets.

Source: ECMA-48, and "XTerm Control Sequences" for the colours.
"""

import functools
from typing import Final, NamedTuple

from rich.color import Color
from rich.style import Style


class Sgr(NamedTuple):
    """The current colours and text styles; a colour is a palette number, an RGB triple, or None."""

    color: int | tuple[int, int, int] | None = None
    background: int | tuple[int, int, int] | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


PLAIN: Final = Sgr()
_SWITCHES: Final = {
    1: ("bold", True),
    2: ("dim", True),
    3: ("italic", True),
    4: ("underline", True),
    7: ("reverse", True),
    9: ("strike", True),
    21: ("underline", True),
    23: ("italic", False),
    24: ("underline", False),
    27: ("reverse", False),
    29: ("strike", False),
}


@functools.lru_cache(maxsize=1024)
def style_of(sgr: Sgr) -> Style | None:
    """Return the Rich style for ``sgr``, or None for plain text."""
    if sgr == PLAIN:
        return None

    def color(value: int | tuple[int, int, int] | None) -> Color | None:
        if value is None:
            return None
        return Color.from_ansi(value) if isinstance(value, int) else Color.from_rgb(*value)

    return Style(
        color=color(sgr.color),
        bgcolor=color(sgr.background),
        bold=sgr.bold or None,
        dim=sgr.dim or None,
        italic=sgr.italic or None,
        underline=sgr.underline or None,
        reverse=sgr.reverse or None,
        strike=sgr.strike or None,
    )


@functools.lru_cache(maxsize=1024)
def apply(sgr: Sgr, parameters: str) -> Sgr:
    """Return ``sgr`` after one SGR sequence with these ``parameters``; unknown ones are skipped."""
    if any(char not in "0123456789;:" for char in parameters):
        return sgr
    numbers = [int(each) if each and len(each) < 6 else 0 for each in parameters.replace(":", ";").split(";")]
    place = 0
    while place < len(numbers):
        code = numbers[place]
        place += 1
        if code == 0:
            sgr = PLAIN
        elif code in _SWITCHES:
            name, on = _SWITCHES[code]
            sgr = sgr._replace(**{name: on})
        elif code == 22:
            sgr = sgr._replace(bold=False, dim=False)
        elif 30 <= code <= 37:
            sgr = sgr._replace(color=code - 30)
        elif 90 <= code <= 97:
            sgr = sgr._replace(color=code - 90 + 8)
        elif 40 <= code <= 47:
            sgr = sgr._replace(background=code - 40)
        elif 100 <= code <= 107:
            sgr = sgr._replace(background=code - 100 + 8)
        elif code == 39:
            sgr = sgr._replace(color=None)
        elif code == 49:
            sgr = sgr._replace(background=None)
        elif code in (38, 48, 58):
            value, place = _extended(numbers, place)
            if value is not None and code != 58:
                sgr = sgr._replace(color=value) if code == 38 else sgr._replace(background=value)
    return sgr


def _extended(numbers: list[int], place: int) -> tuple[int | tuple[int, int, int] | None, int]:
    """Return a 256-colour (5;n) or RGB (2;r;g;b) colour, and the index of the next parameter."""
    kind = numbers[place] if place < len(numbers) else None
    if kind == 5 and place + 1 < len(numbers):
        return min(255, numbers[place + 1]), place + 2
    if kind == 2 and place + 3 < len(numbers):
        red, green, blue = (min(255, each) for each in numbers[place + 1 : place + 4])
        return (red, green, blue), place + 4
    return None, len(numbers)
