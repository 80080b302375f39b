"""Fixtures of the tests of workspace/."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace.opened import OLD, Opened


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    path = tmp_path / "policy.toml"
    path.write_text(OLD)
    state = Opened(path)
    yield state
    state.workspace.close()
