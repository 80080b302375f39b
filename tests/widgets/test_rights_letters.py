"""The letters for groups of rights."""

from widgets.rights_letters import LEGEND, rights_letters


def test_letters() -> None:
    assert rights_letters((), "dir") == "-" * len(LEGEND)
    assert rights_letters(("read_file",), "dir")[0] == "R", "part of its group"
    assert rights_letters(("read_file",), "file")[0] == "r", "everything in the group that applies to a file"
    assert rights_letters(("make_reg", "refer", "truncate"), "dir") == "--t-C-m--"
