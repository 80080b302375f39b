"""Folding needs into rules."""

from editor.suggest.folding import Group, Need, fold

READ, RUN = frozenset({"read_file"}), frozenset({"execute"})


def test_exact_folding_gives_each_path_one_rule_with_what_was_used_on_it() -> None:
    needs = (Need("/a/one", READ), Need("/a/two", READ), Need("/a/one", RUN))
    assert fold(needs, "exact") == (
        Group(("/a/one",), READ | RUN, (needs[0], needs[2]), "exact"),
        Group(("/a/two",), READ, (needs[1],), "exact"),
    )


def test_the_directory_of_a_passing_name_is_a_temporary_rule() -> None:
    needs = (Need("/a", frozenset({"write_file"}), temporary=True),)
    assert [group.kind for group in fold(needs, "exact")] == ["temporary"]
