"""Edit a TOML array that contains comments."""

import re
import tomllib
from collections.abc import Collection, Sequence
from typing import Any

from editor.editing.splice import Splice, apply_splices, sort_splices
from editor.policy.errors import PolicyError
from editor.policy.locate import Node, locate

# What may be between an element and the comma after it.
_COMMA = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+,")


def edit_array(text: str, remove: Collection[int], insert: Sequence[tuple[int, str]]) -> str:
    """Return the TOML array ``text`` without the elements ``remove`` and with ``insert`` (index to insert at, text).

    Layout, comments and a comma after the last element are kept. At least one element must be left.
    """
    if "\n" in text and "\n" not in text.replace("\r\n", ""):
        # tomlkit 0.15 ends some lines with only a line feed; a line break in a string is a line feed anyway.
        return edit_array(text.replace("\r\n", "\n"), remove, insert).replace("\n", "\r\n")
    wanted: list[Any] = []
    values = _values(text)
    for at in range(len(values) + 1):
        wanted += [_values(f"[{new}]")[0] for place, new in insert if place == at]
        wanted += [value for value in values[at : at + 1] if at not in remove]
    after = _through_tomlkit(text, remove, insert)
    return after if after is not None and _values(after) == wanted else _in_place(text, remove, insert)


def _through_tomlkit(text: str, remove: Collection[int], insert: Sequence[tuple[int, str]]) -> str | None:
    """Edit the array with tomlkit; return None if it fails."""
    # Importing tomlkit takes longer than the rest of the start.
    import tomlkit  # noqa: PLC0415
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        # tomlkit 0.15 loses the comma between an element without one and what it adds after a comment.
        document = tomlkit.parse(f"v={_with_last_comma(text, wanted=True)}")
        array = document["v"]
        assert isinstance(array, tomlkit.items.Array)  # noqa: S101 the text is one
        for at in range(len(array), -1, -1):
            for place, new in reversed(insert):
                if place == at:
                    array.insert(at, tomlkit.value(new))
            if at - 1 in remove:
                del array[at - 1]
        after = document.as_string().removeprefix("v=")
        return _with_last_comma(after, wanted=_last_comma(text) > 0)
    except (TOMLKitError, PolicyError):  # the latter: what tomlkit made is not TOML
        return None


def _in_place(text: str, remove: Collection[int], insert: Sequence[tuple[int, str]]) -> str:
    """Cut out elements with their commas and insert new ones directly after others: not pretty, but always correct.

    For layouts that tomlkit 0.15 breaks, such as a comma on its own line after a comment.
    """
    spans = [item.span for item in _array(text).items]
    shift = len("v=")
    cuts: list[Splice] = []
    for at in remove:
        start, end = spans[at].start - shift, spans[at].end - shift
        cuts.append(Splice(start, text[start:end], ""))
        if comma := _COMMA.match(text, end):
            cuts.append(Splice(comma.end() - 1, ",", ""))
    kept = [at for at in range(len(spans)) if at not in remove]
    for place, new in insert:
        before = [at for at in kept if at < place]
        if before:
            cuts.append(Splice(spans[before[-1]].end - shift, "", f", {new}"))
        elif kept:
            cuts.append(Splice(spans[kept[0]].start - shift, "", f"{new}, "))
        else:
            cuts.append(Splice(spans[0].start - shift, "", f"{new}, "))
    return _with_last_comma(apply_splices(text, sort_splices(cuts)), wanted=_last_comma(text) > 0)


def _values(text: str) -> list[Any]:
    values: list[Any] = tomllib.loads(f"v={text}")["v"]
    return values


def _array(text: str) -> Node:
    return locate(f"v={text}", "toml", "").fields[0].node


def _end_of_elements(text: str) -> int:
    items = _array(text).items
    return items[-1].span.end - len("v=") if items else 0


def _last_comma(text: str) -> int:
    """Return the end of the comma after the last element of the TOML array ``text``; 0 if there is none."""
    end = _end_of_elements(text)
    match = _COMMA.match(text, end) if end else None
    return match.end() if match else 0


def _with_last_comma(text: str, *, wanted: bool) -> str:
    """Return the TOML array ``text`` with or without a comma after its last element."""
    comma, end = _last_comma(text), _end_of_elements(text)
    if wanted and end and not comma:
        return f"{text[:end]},{text[end:]}"
    return text[: comma - 1] + text[comma:] if comma and not wanted else text
