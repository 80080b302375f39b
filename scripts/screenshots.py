"""Draw screenshots/: the real program on a small fixed tree, as SVG and PNG, in dark and light colours.

Run by ``make screenshots``. The same tree, keys and size give the same pictures on the same system; what a run accesses
depends on the C library. Needs Landlock for the run and rsvg-convert for the PNGs.
"""

import asyncio
import html
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from textual.app import App
from textual.pilot import Pilot

from editor.app import PaddockApp

_SIZE = (126, 38)
_TIMEOUT_S = 20.0
_ZOOM = "1.0"
# Visible in the pictures, so not a mktemp name.
_DEMO = "/tmp/gallery"
# A state directory of its own, so that unsaved edits of an earlier run are not offered.
_STATE = "/tmp/gallery-state"
_TARGET = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "screenshots")

_POLICY = """\
# A picture gallery: it serves public/, and makes small copies in cache/.
#
# Try: sh bin/refresh

abi = 7

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]

# The system's programs and libraries.
[[path_beneath]]
allowed_access = ["execute", "read_file", "read_dir"]
parent = ["/usr", "/etc/ld.so.cache", "/etc/locale.alias", "/proc/filesystems"]

[[path_beneath]]
allowed_access = ["read_file", "write_file", "ioctl_dev"]
parent = ["/dev/null"]

# What is served, and the scripts that serve it.
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["bin", "public", "settings.ini"]

# What is made here. Nobody has sent anything yet: uploads does not exist.
[[path_beneath]]
allowed_access = ["read_file", "write_file", "make_reg", "remove_file", "truncate"]
parent = ["cache", "uploads"]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [8080]
"""
_REFRESH = """\
echo "gallery: 3 pictures"
cat settings.ini >/dev/null
cp public/*.jpg cache/
cp cache/boat.jpg public/new.jpg
rm logs/old.log
cat /etc/passwd
bash -c ': </dev/tcp/127.0.0.1/25'
"""
_FILES = {
    "bin/refresh": _REFRESH,
    "bin/serve": "exec python3 -m http.server 8080\n",
    "gallery.toml": _POLICY,
    "logs/access.log": "",
    "logs/old.log": "",
    "public/boat.jpg": "",
    "public/index.html": "",
    "public/lake.jpg": "",
    "public/pier.jpg": "",
    "settings.ini": "",
}


def _write(path: str, text: str, mode: str = "w") -> None:
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def _make_demo() -> None:
    shutil.rmtree(_DEMO, ignore_errors=True)
    for name, text in _FILES.items():
        path = os.path.join(_DEMO, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, text)
    os.mkdir(os.path.join(_DEMO, "cache"))
    os.symlink("public/index.html", os.path.join(_DEMO, "start"))


def _shown(app: App[Any]) -> str:
    """Return the text on the screen; a word in several styles is split."""
    return html.unescape(app.export_screenshot()).replace("\xa0", " ")


async def _until(pilot: Pilot[None], text: str) -> None:
    """Wait until ``text`` is on the screen. Raises TimeoutError."""
    until = time.monotonic() + _TIMEOUT_S
    while text not in _shown(pilot.app):
        if time.monotonic() > until:
            raise TimeoutError(f"not on the screen in time: {text}")
        await pilot.pause(0.2)


async def _go_to(pilot: Pilot[None], path: str) -> None:
    await pilot.press("ctrl+o")
    await _until(pilot, "Go to a path")
    await pilot.press("ctrl+u", *path, "enter")
    await pilot.pause(0.5)


async def _tree(pilot: Pilot[None]) -> None:
    await _go_to(pilot, f"{_DEMO}/public/index.html")
    await _go_to(pilot, f"{_DEMO}/cache")
    await pilot.press("5")


async def _rights(pilot: Pilot[None]) -> None:
    await _go_to(pilot, f"{_DEMO}/public/index.html")
    await pilot.press("2", "down", "down")


async def _run(pilot: Pilot[None]) -> None:
    os.mkdir(os.path.join(_DEMO, "uploads"))  # else a note that it is missing appears before or after the first output
    await pilot.press("r")
    await _until(pilot, "denied")
    await pilot.pause(1.0)
    await pilot.press("8")


async def _conflict(pilot: Pilot[None]) -> None:
    await _go_to(pilot, f"{_DEMO}/logs")
    await pilot.press("1", "space")
    await pilot.pause(0.5)
    _write(os.path.join(_DEMO, "gallery.toml"), "\n# Added meanwhile.\n", "a")
    await _until(pilot, "Changed on disk")


class Picture(NamedTuple):
    """A picture: the name of its file, and what to do before it is taken."""

    name: str
    scene: Callable[[Pilot[None]], Awaitable[None]]


PICTURES = (Picture("tree", _tree), Picture("rights", _rights), Picture("run", _run), Picture("conflict", _conflict))


def _clean(svg: str) -> str:
    """Remove web fonts from a picture, and what differs each time: its identifier and the duration."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!-- Generated with .*? -->\s*", "", svg)
    svg = svg.replace("font-family: Fira Code, monospace", "font-family: 'DejaVu Sans Mono', monospace")
    # The grid is 12.2 wide, for Fira Code at 20px; the width of DejaVu Sans Mono is 1233/2048 of its size.
    svg = svg.replace("font-size: 20px", "font-size: 20.264px")
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)  # otherwise rsvg-convert drops leading spaces
    svg = svg.replace("font-family: arial", "font-family: 'DejaVu Sans', sans-serif")
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return re.sub(r"\d+\.\d\d(?=(&#160;|\s)s,)", "0.10", svg)


async def _take(picture: Picture, theme: str, suffix: str) -> str:
    """Play the scene in a new program, and return the file written."""
    _make_demo()
    os.chdir(_DEMO)
    app = PaddockApp("gallery.toml", root=_DEMO)
    async with app.run_test(size=_SIZE) as pilot:
        app.theme = theme
        await _until(pilot, "settings.ini")
        await picture.scene(pilot)
        await pilot.pause(0.5)
        app.clear_notifications()
        await pilot.pause(0.5)
        svg = _clean(app.export_screenshot(title="paddock gallery.toml"))
    target = os.path.join(_TARGET, f"{picture.name}-{suffix}.svg")
    _write(target, svg)
    return target


def main() -> None:
    """Draw all pictures, or those named on the command line."""
    os.makedirs(_TARGET, exist_ok=True)
    os.environ.pop("NO_COLOR", None)
    os.environ["XDG_STATE_HOME"] = _STATE
    wanted = sys.argv[1:] or [picture.name for picture in PICTURES]
    try:
        for picture in PICTURES:
            if picture.name not in wanted:
                continue
            for theme, suffix in (("textual-dark", "dark"), ("textual-light", "light")):
                svg = asyncio.run(_take(picture, theme, suffix))
                png = svg.removesuffix(".svg") + ".png"
                subprocess.run(["rsvg-convert", "--zoom", _ZOOM, "--output", png, svg], check=True)
                print(os.path.relpath(png, os.path.dirname(_TARGET)))
    finally:
        shutil.rmtree(_DEMO, ignore_errors=True)
        shutil.rmtree(_STATE, ignore_errors=True)


if __name__ == "__main__":
    main()
