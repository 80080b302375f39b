"""Styles of component classes, for widgets that draw line by line."""

from rich.style import Style
from textual.widget import Widget


def text_style(widget: Widget, component: str) -> Style:
    """How the text of a component class looks on whatever is behind it: colour and attributes, no background.

    A partial style of Textual's has no colour that is see-through or depends on the background ("$foreground 70%"):
    such a colour is only known once it is laid on its background.
    """
    whole = widget.get_component_rich_style(component)
    partial = widget.get_component_rich_style(component, partial=True)
    return Style(
        color=whole.color,
        bold=partial.bold,
        dim=partial.dim,
        italic=partial.italic,
        underline=partial.underline,
        reverse=partial.reverse,
        strike=partial.strike,
    )


def background_style(widget: Widget, component: str) -> Style:
    """The background alone of a component class, laid on that of the widget."""
    return Style(bgcolor=widget.get_component_rich_style(component).bgcolor)
