"""The first screen is shown before the modules that read and edit policies are imported."""

import subprocess
import sys


def test_the_app_imports_no_module_that_reads_or_edits_policies() -> None:
    code = "import sys, editor.app\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "editor.screens.main" in imported
    late = {"tomllib", "tomlkit", "editor.editing", "editor.evaluation", "editor.sandbox", "editor.workspace.workspace"}
    assert not late & imported
