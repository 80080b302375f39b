"""Undo and redo bring back exactly the texts that were there, however long the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.workspace.history import History


@given(st.lists(st.text(max_size=30), min_size=1, max_size=30))
def test_the_way_back_and_forth_is_the_same(texts: list[str]) -> None:
    history = History(texts[0])
    way = [texts[0]]
    for number, text in enumerate(texts[1:]):
        history.push(text, str(number))
        if text != way[-1]:
            way.append(text)
    for text in reversed(way[:-1]):
        history.undo()
        assert history.text == text
    assert history.undo_label is None
    for text in way[1:]:
        history.redo()
        assert history.text == text
    assert history.redo_label is None


def test_a_new_step_forgets_what_was_undone() -> None:
    history = History("a")
    history.push("b", "to b")
    history.push("c", "to c")
    assert history.undo() == "to c"
    assert history.redo_label == "to c"
    history.push("d", "to d")
    assert history.undo() == "to d"
    assert history.redo() == "to d"
    with pytest.raises(IndexError):
        history.redo()


def test_many_edits_of_a_large_text_stay_small() -> None:
    """Only what differs is kept: a thousand copies would be 400 MB."""
    lines = [f'parent = ["/directory/number/{number}"]\n' for number in range(10_000)]
    history = History("".join(lines))
    for number in range(1_000):
        lines[number * 7] = lines[number * 7].replace("directory", "elsewhere")
        history.push("".join(lines), "move")
    kept = sum(len(step.splice.removed) + len(step.splice.inserted) for step in history._past)
    assert kept < 100_000
