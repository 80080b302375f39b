"""Protected places, on this system and in a home directory made for the test."""

import os
from pathlib import Path

import pytest

from editor.suggest.protected import ProtectedPlaces, protected


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a home directory with keys, a password store and plain files, all below a directory of homes."""
    home = tmp_path / "homes" / "someone"
    for name in (".ssh", ".gnupg", ".password-store", ".config/chromium", "project"):
        (home / name).mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").touch(0o600)
    monkeypatch.setenv("HOME", os.fspath(home))
    return os.fspath(home)


@pytest.mark.parametrize("path", ["/", "/proc", "/sys", "/dev", "/etc", "/etc/shadow"])
def test_places_of_the_system_are_protected(path: str) -> None:
    assert protected(path)


@pytest.mark.parametrize("path", ["/usr", "/usr/lib", "/proc/self", "/dev/null", "/etc/passwd", "/etc/ssl/certs"])
def test_what_many_programs_read_is_not_protected(path: str) -> None:
    assert protected(path) is None


def test_a_home_directory_names_what_is_in_it(home: str) -> None:
    assert protected(home) == (
        f"{home} (a home directory): {home}/.ssh (SSH keys), {home}/.gnupg (GnuPG keys), "
        f"{home}/.password-store (a password store), {home}/.config/chromium (a browser profile)"
    )


def test_a_directory_of_homes_is_protected_too(home: str) -> None:
    inside = protected(os.path.dirname(home))
    assert inside is not None
    assert f"{home} (a home directory)" in inside


def test_the_rest_of_a_home_directory_is_open(home: str) -> None:
    assert protected(f"{home}/project") is None


def test_everything_inside_a_secret_place_is_protected(home: str) -> None:
    assert protected(f"{home}/.ssh/config") == f"{home}/.ssh (SSH keys)"


def test_a_link_to_a_secret_place_protects_what_it_leads_to(home: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", f"{home}/.aws")
    assert protected(f"{tmp_path}/elsewhere/credentials") == f"{tmp_path}/elsewhere (AWS credentials)"


def test_a_directory_with_a_private_key_is_protected(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "server.key").touch(0o600)
    (tmp_path / "server" / "public.key").touch(0o644)
    assert protected(f"{tmp_path}/server") == f"{tmp_path}/server/server.key (a private key)"


def test_a_policy_is_protected_from_what_writes_into_its_directory(tmp_path: Path) -> None:
    own = os.fspath(tmp_path)
    places = ProtectedPlaces(own)
    assert places.inside(own, writing=True) == f"{own} (this policy itself)"
    assert places.inside(own) is None
    assert places.inside(os.path.dirname(own), writing=True) == f"{own} (this policy itself)"


def test_a_home_for_tests_does_not_close_the_directory_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    assert protected(os.fspath(tmp_path)) is None
    assert protected(f"{tmp_path}/home") == f"{tmp_path}/home (a home directory)"
    (tmp_path / "home" / ".ssh").mkdir()
    assert protected(os.fspath(tmp_path)) == f"{tmp_path}/home/.ssh (SSH keys)"


def test_names_are_safe_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "od\x1bd" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", f"{tmp_path}/od\x1bd")
    inside = protected(f"{tmp_path}/od\x1bd")
    assert inside is not None
    assert inside.isprintable()
