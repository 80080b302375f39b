"""A short text that changes often but rarely changes height."""

from textual.content import Content
from textual.widgets import Static


class Note(Static):
    """Text that triggers a layout only when its height changes, since laying out the whole screen is slow."""

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(markup=False, classes=classes)
        self._shown: Content | None = None

    def show(self, content: Content) -> None:
        """Show ``content``."""
        if self._shown is not None and content.is_same(self._shown):
            return
        self._shown = content
        width, height = self.content_size
        # Without a width it was never laid out: that happens when it is first displayed.
        self.update(content, layout=width > 0 and content.get_height({}, width) != height)
