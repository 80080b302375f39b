"""Imports that import-linter's lists of modules could miss for a new module."""

import os
import subprocess
import sys
from collections.abc import Iterator

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def headless_modules() -> Iterator[str]:
    """Yield every module of editor but those of the screen."""
    for parent, directories, names in os.walk(os.path.join(TREE, "editor")):
        directories[:] = [name for name in directories if name not in ("screens", "__pycache__", "sample_policies")]
        package = os.path.relpath(parent, TREE).replace(os.sep, ".")
        yield from (
            f"{package}.{name.removesuffix('.py')}".removesuffix(".__init__")
            for name in names
            if name.endswith(".py") and name not in ("app.py", "__main__.py")
        )


def test_everything_but_the_screen_imports_without_textual() -> None:
    modules = sorted(headless_modules())
    assert {"editor.cli.main", "editor.workspace.workspace", "editor.sandbox.tracing.tracer"} < set(modules)
    look = (
        f"import sys, importlib\nfor name in {modules}: importlib.import_module(name)\n"
        "print(*sorted({'textual', 'rich', 'widgets'} & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False, cwd=TREE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
