"""A small tree of files and a policy for it."""

from pathlib import Path

import pytest

from tests.screens.driving import POLICY


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with some files; the working directory of the test."""
    place = tmp_path / "place"
    (place / "data" / "deep").mkdir(parents=True)
    (place / "data" / "notes.txt").write_text("notes\n")
    (place / "empty").mkdir()
    (place / "link").symlink_to("data")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def policy(place: Path) -> Path:
    """A policy file in that directory."""
    path = place / "policy.toml"
    path.write_text(POLICY)
    return path
