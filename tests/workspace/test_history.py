"""Undo and redo restore exactly the earlier texts, over any number of steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.workspace.history import History


@given(st.lists(st.text(max_size=30), min_size=1, max_size=30))
def test_undo_and_redo_restore_every_text(texts: list[str]) -> None:
    history = History(texts[0])
    visited = [texts[0]]
    for number, text in enumerate(texts[1:]):
        history.push(text, str(number))
        if text != visited[-1]:
            visited.append(text)
    for text in reversed(visited[:-1]):
        history.undo()
        assert history.text == text
    assert history.undo_label is None
    for text in visited[1:]:
        history.redo()
        assert history.text == text
    assert history.redo_label is None


def test_a_new_step_drops_what_could_be_redone() -> None:
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


def test_many_edits_of_a_large_text_take_little_memory() -> None:
    """Only differences are stored: a thousand copies would take 400 MB."""
    lines = [f'parent = ["/directory/number/{number}"]\n' for number in range(10_000)]
    history = History("".join(lines))
    for number in range(1_000):
        lines[number * 7] = lines[number * 7].replace("directory", "elsewhere")
        history.push("".join(lines), "move")
    kept = sum(len(step.splice.removed) + len(step.splice.inserted) for step in history._past)
    assert kept < 100_000
