"""Styles of component classes, for widgets that draw line by line."""

from rich.style import Style
from textual.widget import Widget


def text_style(widget: Widget, component: str) -> Style:
    """Return the text style of a component class, colour and attributes without the background.

    Textual's partial style lacks colours that are translucent ("$foreground 70%"): these are only known once blended
    with the background.
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
    """Return only the background of a component class, blended with the widget's."""
    return Style(bgcolor=widget.get_component_rich_style(component).bgcolor)
