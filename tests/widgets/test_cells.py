"""Fitting text into terminal cells."""

from hypothesis import given
from hypothesis import strategies as st

from tests.widgets.hosts import HOSTILE
from widgets.cells import elide_end, elide_middle, fit, fit_end, fit_right, visible, width_of

texts = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE)).map(visible)


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown


@given(texts, st.integers(0, 80))
def test_elided_text_fits(text: str, cells: int) -> None:
    for elided in (elide_middle(text, cells), elide_end(text, cells)):
        assert width_of(elided) <= cells
        if width_of(text) <= cells:
            assert elided == text
        elif cells:
            head, _, tail = elided.partition("…")
            assert text.startswith(head)
            assert text.endswith(tail)


@given(texts, st.integers(0, 80))
def test_fitted_text_fills_its_column(text: str, cells: int) -> None:
    assert width_of(fit(text, cells)) == cells
    assert width_of(fit_right(text, cells)) == cells
    assert width_of(fit_end(text, cells)) == cells


def test_the_end_of_a_path_is_kept() -> None:
    assert (
        elide_middle("/usr/lib/python3/dist-packages/yaml.py", 20)
        == "/usr/l…ages/yaml.py"[:6] + "…" + "ckages/yaml.py"[-13:]
    )
