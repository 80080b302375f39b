"""Notify subscribers of what changed in a workspace."""

import threading
from collections.abc import Callable
from typing import Literal

Topic = Literal["document", "disk", "reloading", "conflict", "problem", "report", "saved", "recovery"]
"""What may have changed: mostly, the workspace's property of that name.

"disk" means that the change came from the file, "saved" that the draft was saved, "recovery" is about crash recovery.
"""
Changes = frozenset[Topic]


class Notifier:
    """The subscribers of one workspace. All methods may be called in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: tuple[Callable[[Changes], None], ...] = ()

    def subscribe(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call ``callback`` with the topics of every change, in the thread that made it.

        Returns the function that ends the subscription; calling it again does nothing.
        """

        # A new function each time, so that a callback subscribed twice has two subscriptions that end separately.
        def subscription(changes: Changes) -> None:
            callback(changes)

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks = tuple(each for each in self._callbacks if each is not subscription)

        with self._lock:
            self._callbacks = (*self._callbacks, subscription)
        return unsubscribe

    def notify(self, *topics: Topic) -> None:
        """Call every subscriber, in this thread and in the order of subscription. Hold no lock meanwhile."""
        changes = frozenset(topics)
        for callback in self._callbacks:
            callback(changes)
