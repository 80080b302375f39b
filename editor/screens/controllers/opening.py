"""Open the policy, and retry when a file that could not be opened changes."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

from editor.policy.errors import PolicyError

if TYPE_CHECKING:
    from editor.policy.tree import Format
    from editor.workspace.composition import Composition
    from editor.workspace.opening import Opening


class BrokenFile(NamedTuple):
    """A file that could not be opened. ``text`` is its content, None if it cannot be read at all."""

    path: str
    text: str | None
    format: "Format"
    error: PolicyError


class OpeningView(Protocol):
    """What opening needs from the screen."""

    async def show_broken(self, file: BrokenFile) -> None:
        """Show why the policy could not be opened."""


async def open_policy(opening: "Opening", abi: int | None, view: OpeningView) -> "Composition":
    """Open the files of ``opening``, waiting until they can be opened. ``abi`` simulates an older kernel."""
    path = opening.paths[0]
    while True:
        try:
            return await asyncio.to_thread(_read, opening, abi)
        except PolicyError as error:
            path = error.file or path  # one of several files may be the broken one
            await _wait_for_change(path, error, view)


def _read(opening: "Opening", abi: int | None) -> "Composition":
    from editor.workspace.composition import Composition

    new_text = opening.sample.text if opening.sample is not None else None
    return Composition.open(opening.paths, abi=abi, variables=opening.variables, new_text=new_text)


async def _wait_for_change(path: str, error: PolicyError, view: OpeningView) -> None:
    """Show the file ``path`` and wait until it changes."""
    from editor.policy.files import format_of
    from editor.workspace.saving import read_file
    from editor.workspace.watching import Watcher

    try:
        data = await asyncio.to_thread(read_file, path)
    except OSError:
        data = None
    text = None if data is None else data.decode(errors="replace")
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def notice() -> None:
        loop.call_soon_threadsafe(changed.set)

    watcher = Watcher(path, notice, seen=data)
    watcher.start()
    try:
        await view.show_broken(BrokenFile(path, text, format_of(path, text or ""), error))
        await changed.wait()
    finally:
        await asyncio.to_thread(watcher.stop)
