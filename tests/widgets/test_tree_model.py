"""The model of the tree: which lines are open, and how they change."""

from widgets.tree_model import Node, Splice, TreeModel, TreeRow, is_at_or_below


class Branches:
    """A source in memory: directories by path, with the names in each."""

    def __init__(self, **directories: list[str]) -> None:
        self.directories = {"/" + path: names for path, names in directories.items()}

    def row(self, path: str) -> TreeRow:
        """Return the row of a path; a path with entries is a directory."""
        is_dir = path in self.directories
        return TreeRow(path, path, "dir" if is_dir else "file", None, (), (), "", "", is_dir)

    def children(self, path: str) -> list[TreeRow]:
        """Return the rows below a directory. Raises OSError if there is none."""
        if path not in self.directories:
            raise FileNotFoundError(2, "No such file or directory", path)
        return [self.row(f"{path.rstrip('/')}/{name}") for name in self.directories[path]]


def opened(model: TreeModel, node: Node) -> Splice | None:
    """Open ``node``, reading it if needed."""
    assert node.row is not None
    assert model.expand(node)
    if node.children is None:
        model.set_children(node, model.read(node, node.row.path))
    return model.update_lines(node)


def paths(model: TreeModel) -> list[str]:
    """Return the paths of the open lines."""
    return [line.row.path if line.row is not None else line.message for line in model.lines]


def test_opening_and_closing_replaces_lines() -> None:
    model = TreeModel()
    root = model.set_root(Branches(**{"": ["a", "b"], "a": ["x", "y"]}), "/")
    assert opened(model, root) == Splice(1, 1, 2)
    inner = model.lines[1]
    assert opened(model, inner) == Splice(2, 2, 2)
    assert paths(model) == ["/", "/a", "/a/x", "/a/y", "/b"]
    assert not model.expand(inner), "it is open already"
    assert not model.expand(model.lines[-1]), "a file cannot be opened"
    root.expanded = False
    assert model.update_lines(root) == Splice(1, 5, -4)
    assert model.line_of(inner) == -1
    assert opened(model, root) == Splice(1, 1, 4), "what was open below it is open again"


def test_a_closed_directory_counts_its_lines_for_later() -> None:
    model = TreeModel()
    root = model.set_root(Branches(**{"": ["a"], "a": ["x"]}), "/")
    opened(model, root)
    inner = model.lines[1]
    root.expanded = False
    model.update_lines(root)
    assert opened(model, inner) is None
    root.expanded = True
    model.update_lines(root)
    assert paths(model) == ["/", "/a", "/a/x"]
    inner.expanded = False
    assert model.update_lines(inner) == Splice(2, 3, -1)


def test_reading_again_keeps_what_is_open() -> None:
    source = Branches(**{"": ["a", "b"], "a": ["x"]})
    model = TreeModel()
    root = model.set_root(source, "/")
    opened(model, root)
    opened(model, model.lines[1])
    gone = model.lines[3]
    source.directories["/"] = ["a", "c"]
    model.set_children(root, model.read(root, "/"))
    splice = model.update_lines(root)
    assert splice == Splice(1, 4, 0)
    assert paths(model) == ["/", "/a", "/a/x", "/c"]
    assert model.nearest_line(gone, splice, 3) == 3, "the line that took its place"


def test_rows_are_refreshed_only_when_out_of_date() -> None:
    source = Branches(**{"": ["a"]})
    model = TreeModel()
    root = model.set_root(source, "/")
    before = model.row(root)
    assert model.row(root) is before
    del source.directories["/"]
    model.invalidate()
    row = model.row(root)
    assert row is not None
    assert row.kind == "file"


def test_empty_and_unreadable_directories_have_a_message() -> None:
    model = TreeModel()
    root = model.set_root(Branches(**{"": []}), "/")
    assert [node.message for node in model.read(root, "/")] == ["empty"]
    assert [node.message for node in model.read(root, "/gone")] == ["cannot be read: No such file or directory"]


def test_at_or_below() -> None:
    assert is_at_or_below("/usr", "/")
    assert is_at_or_below("/usr/lib", "/usr")
    assert not is_at_or_below("/usrlocal", "/usr")
