"""The services of a session: sockets that are there, and only what belongs to them."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from editor.suggest.promises.catalogue import found
from editor.suggest.promises.system import System
from tests.cli.harness import write
from tests.suggest.promises.connecting import check

NAMES = ("x11", "wayland", "dbus", "audio")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Path]:
    """A session directory with the sockets of every service."""
    with ExitStack() as stack:
        for name in ("wayland-0", "bus", "pipewire-0", "pulse/native"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(os.fspath(tmp_path / name))
            listening.listen()
        yield tmp_path


def _places(name: str, **variables: str) -> set[str]:
    return {place.path for place in found(name, System(environment=variables)).places}


@pytest.mark.parametrize("name", NAMES)
def test_without_a_session_there_is_nothing(name: str, tmp_path: Path) -> None:
    """The lock file of a compositor, and a directory where a socket is expected, are none."""
    write(tmp_path / "wayland-0.lock", "")
    (tmp_path / "bus").mkdir()
    promise = found(name, System(os.fspath(tmp_path), {"XDG_RUNTIME_DIR": "/", "DISPLAY": ":0"}))
    assert not promise.is_found
    assert promise.rules == ()


def test_sockets_are_named_where_they_are(session: Path) -> None:
    runtime = os.fspath(session)
    assert f"{runtime}/wayland-0" in _places("wayland", XDG_RUNTIME_DIR=runtime)
    assert f"{runtime}/wayland-0" in _places("wayland", XDG_RUNTIME_DIR=runtime, WAYLAND_DISPLAY="wayland-0")
    assert not _places("wayland", XDG_RUNTIME_DIR=runtime, WAYLAND_DISPLAY="wayland-1")
    assert f"{runtime}/bus" in _places("dbus", XDG_RUNTIME_DIR=runtime)
    assert f"{runtime}/bus" in _places("dbus", DBUS_SESSION_BUS_ADDRESS=f"unix:path={runtime}/bus,guid=0")
    assert {f"{runtime}/pipewire-0", f"{runtime}/pulse/native"} <= _places("audio", XDG_RUNTIME_DIR=runtime)
    # The directory itself holds the sockets of everything else, such as keys of ssh-agent.
    assert all(runtime not in _places(name, XDG_RUNTIME_DIR=runtime) for name in NAMES)


def test_x11_takes_the_display_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "tmp/.X11-unix").mkdir(parents=True)
    write(tmp_path / "cookie", "")
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.bind(os.fspath(tmp_path / "tmp/.X11-unix/X0"))
        second.bind(os.fspath(tmp_path / "tmp/.X11-unix/X1"))
    root = os.fspath(tmp_path)
    one = found("x11", System(root, {"DISPLAY": ":1", "XAUTHORITY": "/cookie"}))
    assert [place.path for place in one.places] == ["/tmp/.X11-unix/X1", "/cookie"]
    assert len(found("x11", System(root, {})).places) == 2
    far = found("x11", System(root, {"DISPLAY": "host:10.0", "XAUTHORITY": "/cookie"}))
    assert [place.path for place in far.places] == ["/cookie"]
    assert [port.port for port in far.ports] == [6010]


def test_programs_reach_only_what_they_were_promised() -> None:
    """What this kernel does not restrict yet, later ones do: ``make test-kernels`` tries the same there."""
    tried, problems = check()
    assert problems == []
    assert tried == (10 if os.geteuid() == 0 else 2)
