"""Read directories in threads, which may hang without blocking the screen or the exit of the program."""

import asyncio
import threading
from collections.abc import Callable, Iterable

from widgets.tree_model import Node, TreeModel


class Load:
    """One directory being read; the result is dropped if ``is_cancelled``."""

    __slots__ = ("_done", "is_cancelled", "node", "path")

    def __init__(self, node: Node, path: str) -> None:
        self.node = node
        self.path = path
        self.is_cancelled = False
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """Wake those waiting for it."""
        if not self._done.done():
            self._done.set_result(None)

    def cancel(self) -> None:
        """Drop the result when it arrives."""
        self.is_cancelled = True
        self.finish()

    async def wait(self) -> None:
        """Wait until it is finished or cancelled."""
        await asyncio.wait([self._done])  # not the future itself, which a cancelled waiter would cancel


class TreeLoader:
    """The directories of one tree that are being read. Methods are called in the screen's thread.

    ``arrived`` is called in the reading thread with the lines read, or with an error other than an OSError.
    """

    def __init__(self, model: TreeModel, arrived: Callable[[Load, list[Node], Exception | None], None]) -> None:
        self._model = model
        self._arrived = arrived
        self._loads: dict[Node, Load] = {}

    @property
    def is_reading(self) -> bool:
        """Whether a directory is being read."""
        return bool(self._loads)

    def is_current(self, load: Load) -> bool:
        """Return whether the result of ``load`` is still wanted."""
        return self._loads.get(load.node) is load

    def start(self, nodes: Iterable[Node]) -> list[Load]:
        """Read the directories of ``nodes`` one after the other in one thread; returns the loads started."""
        loads = []
        for node in nodes:
            before = self._loads.pop(node, None)
            if node.row is not None:
                load = self._loads[node] = Load(node, node.row.path)
                loads.append(load)
            if before is not None:  # only now, so that those waiting for it find the new one
                before.cancel()
        if loads:
            # A daemon thread, not a worker: a worker that hangs in a dead network mount would block the exit.
            threading.Thread(target=self._read, args=(loads,), name="policy-tree", daemon=True).start()
        return loads

    def _read(self, loads: list[Load]) -> None:
        for load in loads:
            if load.is_cancelled:
                continue
            nodes: list[Node] = []
            error: Exception | None = None
            try:
                nodes = self._model.read(load.node, load.path)
            except Exception as fault:  # raised again in the screen's thread
                error = fault
            if not load.is_cancelled:
                self._arrived(load, nodes, error)

    def finish(self, load: Load) -> bool:
        """Mark ``load`` as finished; returns whether its result is still wanted."""
        if load.is_cancelled or not self.is_current(load):
            return False
        del self._loads[load.node]
        load.finish()
        return True

    def cancel(self, node: Node) -> bool:
        """Cancel reading ``node``; returns whether it was being read."""
        load = self._loads.pop(node, None)
        if load is None:
            return False
        load.cancel()
        return True

    def cancel_all(self) -> None:
        """Cancel everything that is being read."""
        for load in self._loads.values():
            load.cancel()
        self._loads.clear()

    async def wait_for(self, node: Node) -> None:
        """Wait until ``node`` is no longer being read."""
        while node in self._loads:
            await self._loads[node].wait()

    async def wait_for_all(self) -> None:
        """Wait until nothing is being read."""
        while self._loads:
            await next(iter(self._loads.values())).wait()
