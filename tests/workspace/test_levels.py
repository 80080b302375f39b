"""Levels of rights: what each contains, and how one follows another."""

import pytest

from editor.workspace.levels import LEVELS, level_rights, next_level


@pytest.mark.parametrize(
    ("now", "step", "level"),
    [
        ({"read_file"}, 1, "read"),
        ({"read_file"}, -1, "none"),
        ({"read_file", "execute"}, 1, "read+execute"),
        ({"write_file"}, 1, "read+write"),
        ({"execute", "write_file"}, 1, "all"),
        ({"read_file", "read_dir", "make_reg"}, -1, "read"),
    ],
)
def test_rights_that_are_no_level_step_to_the_nearest_level(now: set[str], step: int, level: str) -> None:
    assert next_level(frozenset(now), 6, True, 1 if step > 0 else -1) == level


def test_levels_of_a_file_contain_only_rights_of_files() -> None:
    for level in LEVELS:
        assert level_rights(level, 7, False) <= level_rights(level, 7, True)
        assert "make_reg" not in level_rights(level, 7, False)
