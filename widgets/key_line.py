"""One line with the keys that work now."""

from typing import Final, NamedTuple

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from widgets.cells import ELLIPSIS, visible, width_of


class KeyShown(NamedTuple):
    """One key: its Textual name, how it is displayed, what it does, and whether it is enabled now."""

    key: str
    display: str
    does: str
    enabled: bool


_KEY: Final = "bold $footer-key-foreground"
_DOES: Final = "$footer-description-foreground"
_DISABLED: Final = "$footer-description-foreground 50%"


class KeyLine(Widget):
    """The visible bindings of the focused widget and its screen; a click presses one. Keys that do not fit are omitted.

    A single widget, unlike Textual's Footer, which has one per key and recreates them whenever the focus or an action's
    availability changes: a noticeable delay on slow machines.
    """

    DEFAULT_CSS = """
    KeyLine {
        dock: bottom;
        height: 1;
        color: $footer-foreground;
        background: $footer-background;
        text-wrap: nowrap;
    }
    """

    ALLOW_SELECT = False

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._keys: tuple[KeyShown, ...] = ()
        self._ends: list[tuple[int, str]] = []

    @property
    def keys(self) -> tuple[KeyShown, ...]:
        """All keys in order, including those that do not fit."""
        return self._keys

    def on_mount(self) -> None:
        """Subscribe to changes of the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_unmount(self) -> None:
        """Unsubscribe."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _changed(self, screen: Screen[object]) -> None:
        if not screen.app.app_focus or screen is not self.screen:
            return
        keys: dict[str, KeyShown] = {}
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.show and binding.action not in keys:
                display = self.app.get_key_display(binding)
                keys[binding.action] = KeyShown(binding.key, display, binding.description, enabled)
        shown = tuple(keys.values())
        if shown != self._keys:
            self._keys = shown
            self.refresh()

    def render(self) -> Content:
        """Render as many keys as fit."""
        width = self.size.width
        parts: list[tuple[str, str]] = []
        self._ends = []
        at = 0
        for number, key in enumerate(self._keys):
            text, does = visible(key.display), visible(key.does)
            end = at + width_of(text) + 1 + width_of(does)
            room = width if number == len(self._keys) - 1 else width - 2
            if end > room:
                parts.append((ELLIPSIS, _DISABLED))
                break
            parts.append((text, _KEY if key.enabled else _DISABLED))
            parts.append((f" {does} ", _DOES if key.enabled else _DISABLED))
            at = end + 1
            self._ends.append((at, key.key))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        event.stop()
        for end, key in self._ends:
            if event.x < end:
                self.app.simulate_key(key)
                return
