"""How the screens look, at two sizes; compared with the pictures beside this file.

Names, ABI and what a run touched are fixed here, so that a picture is the same on every machine: what real runs show
is tested in ``test_running``.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from editor.app import PaddockApp
from editor.policy.model import RuleRef
from editor.sandbox.events import AccessUpdate, Finished, Notice, Output
from editor.sandbox.verdicts.report import AbiUsed, Access, Report
from editor.screens.dialogs import Ask
from editor.screens.export import ExportScreen
from tests.screens.driving import SMALL, WIDE, AppPilot, main_screen, opened, runs_of, tree_of, until, workspace_of
from widgets.access_table import AccessTable
from widgets.output_pane import OutputPane

# Visible in the snapshots, so it must be the same everywhere.
_BASE = Path("/tmp/paddock-pictures")
_POLICY = """\
# Serves a directory, and nothing else.
#
# Try: cat site/index.html /etc/hostname
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["signal"]

# What is served.
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["site"]

[[path_beneath]]
allowed_access = ["read_file", "write_file", "make_reg", "truncate"]
parent = ["site/uploads", "gone"]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [8080, 443]
"""

Snap = Callable[..., bool]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A fixed tree with a fixed path, one per test."""
    place = _BASE / request.node.name.replace("[", "-").replace("]", "")
    shutil.rmtree(place, ignore_errors=True)
    (place / "site" / "uploads").mkdir(parents=True)
    for name in ("index.html", "style.css", "uploads/cat.png"):
        (place / "site" / name).write_text(name)
    (place / "site" / "latest").symlink_to("uploads")
    (place / "private").mkdir()
    (place / "policy.toml").write_text(_POLICY)
    monkeypatch.chdir(place)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    yield place
    monkeypatch.chdir("/")
    shutil.rmtree(place)
    # The next run may be by another user. Not empty if another test is using it.
    with contextlib.suppress(OSError):
        _BASE.rmdir()


def app_on(place: Path) -> PaddockApp:
    app = PaddockApp("policy.toml", root=str(place), abi=6)
    app.animation_level = "none"
    return app


async def ready(pilot: AppPilot, place: Path) -> None:
    """Open the tree with the cursor on the directory that is served."""
    await opened(pilot, str(place / "site"))
    await pilot.press("right")
    await until(pilot, lambda: tree_of(pilot).line_count > 6 and not tree_of(pilot).is_reading)
    await pilot.pause()


def access(verdict: Any, right: str, path: str, times: int, **more: Any) -> Access:
    denied = verdict == "denied"
    return Access(
        verdict=verdict,
        rights=frozenset({right}),
        missing=frozenset({right} if denied else ()),
        path=path,
        object_path=path,
        port=None,
        syscall="openat",
        errno="EACCES" if denied else None,
        process="cat",
        pid=4711,
        times=times,
        **more,
    )


async def with_a_run(pilot: AppPilot, place: Path) -> None:
    """Show what a run accessed, as its events report it."""
    await ready(pilot, place)
    rule = RuleRef("policy.toml", 14, 'path_beneath "site"')
    found = (
        access("denied", "read_file", "/etc/hostname", 1, reason="no rule covers /etc/hostname"),
        access("denied", "read_file", f"{place}/private/key", 12, reason=f"no rule covers {place}/private/key"),
        access("allowed", "read_file", f"{place}/site/index.html", 3, decided_by=(rule,)),
        access("allowed", "read_file", f"{place}/site/style.css", 250_000, decided_by=(rule,)),
        access("failed", "read_file", f"{place}/site/none.css", 2)._replace(errno="ENOENT"),
        access("uncontrolled", "read_file", f"{place}/site/index.html", 1)._replace(rights=frozenset(), syscall="stat"),
    )
    report = Report("policy.toml", ("cat",), "enforce", AbiUsed(6, 6), 1, 0.25, found)
    panel = runs_of(pilot)
    panel._take(
        [
            Notice("Not restricted at ABI 6, which does not know: resolve_unix (ABI 9)."),
            Output("stdout", b"<h1>Hello</h1>\n"),
            Output("stderr", b"cat: /etc/hostname: \x1b[31mPermission denied\x1b[0m\n"),
            *(AccessUpdate(each) for each in found),
            Finished(report),
        ]
    )
    main_screen(pilot).action_show("denied")
    table, output = panel.query_one("#denied", AccessTable), panel.query_one("#output", OutputPane)
    await until(pilot, lambda: table.has_focus_within and table.highlighted is not None and "Perm" in output.text)
    await pilot.pause(0.2)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_main(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize(
    ("size", "key"),
    [(SMALL, "2"), (SMALL, "3"), (SMALL, "4"), (SMALL, "5"), (WIDE, "3"), (WIDE, "4")],
    ids=["small-rights", "small-ports", "small-handled", "small-text", "wide-ports", "wide-handled"],
)
def test_panel(snap_compare: Snap, place: Path, size: tuple[int, int], key: str) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press(key, "down", "down")
        await pilot.pause(0.2)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_run_with_denials(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await with_a_run(pilot, place)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_conflict(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("space")
        await until(pilot, lambda: workspace_of(pilot).is_dirty)
        pilot.app.clear_notifications()
        (place / "policy.toml").write_text(_POLICY.replace("site/uploads", "site/incoming"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.pause(0.2)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


def test_difference(snap_compare: Snap, place: Path) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("space")
        await until(pilot, lambda: workspace_of(pilot).is_dirty)
        pilot.app.clear_notifications()
        (place / "policy.toml").write_text(_POLICY.replace("site/uploads", "site/incoming"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("d")
        await pilot.pause(0.3)

    assert snap_compare(app_on(place), terminal_size=(100, 30), run_before=before)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_export(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("ctrl+e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen) and pilot.app.screen._exported)
        await until(pilot, lambda: pilot.app.focused)
        pilot.app.screen.query_one(Input).cursor_blink = False
        await pilot.pause(0.3)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_light(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await with_a_run(pilot, place)
        await pilot.press("t")
        await pilot.pause(0.2)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, (100, 60)], ids=["small", "whole"])
def test_help(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("f1")
        await pilot.pause(0.2)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


def test_chooser(snap_compare: Snap, place: Path) -> None:
    (place / "other.toml").write_text("# Another one.\n#\n# Try: true\nabi = 1\n")

    async def before(pilot: AppPilot) -> None:
        await pilot.pause(0.5)

    app = PaddockApp(str(place))
    app.animation_level = "none"
    assert snap_compare(app, terminal_size=SMALL, run_before=before)


def with_variables(place: Path) -> None:
    """The policy with two variables: one has two values, one is not used."""
    (place / "policy.toml").write_text(
        _POLICY.replace("[[ruleset]]", '[[variable]]\nname = "root"\nliteral = ["site", "private"]\n\n[[ruleset]]')
        .replace('parent = ["site"]', 'parent = ["${root}"]')
        .replace("# What is", '[[variable]]\nname = "spare"\nliteral = ["/srv"]\n\n# What is')
    )


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_variables(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    with_variables(place)

    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("v")
        await pilot.pause(0.3)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
def test_one_of_several_paths(snap_compare: Snap, place: Path, size: tuple[int, int]) -> None:
    with_variables(place)

    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press("space")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.pause(0.3)

    assert snap_compare(app_on(place), terminal_size=size, run_before=before)


@pytest.mark.parametrize(("size", "key"), [(SMALL, "2"), (WIDE, "2"), (SMALL, "f")], ids=["small", "wide", "small-f"])
def test_composition(snap_compare: Snap, place: Path, size: tuple[int, int], key: str) -> None:
    (place / "more.toml").write_text(
        'abi = 6\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\nhandled_access_net = ["abi.all"]\n'
        'scoped = ["signal"]\n\n'
        '[[path_beneath]]\nallowed_access = ["read_file", "make_sym"]\nparent = ["site", "private"]\n'
    )
    app = PaddockApp("policy.toml", "more.toml", root=str(place), abi=6)
    app.animation_level = "none"

    async def before(pilot: AppPilot) -> None:
        await ready(pilot, place)
        await pilot.press(key, *["down"] * (key == "2") * 2)
        await pilot.pause(0.3)

    assert snap_compare(app, terminal_size=size, run_before=before)
