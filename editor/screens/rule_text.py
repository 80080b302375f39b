"""A rule in a few printable words: its line, its text, its path."""

import os

from editor.escape import printable
from editor.policy.model import Location, RuleRef


def rule_text(ref: RuleRef) -> str:
    """Return a rule in one short line: file, line and text."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}  {printable(ref.rule)}"


def template_of(ref: RuleRef) -> str:
    """Return the path of a rule as written, printable, if it uses a variable; else an empty string."""
    template = ref.rule.removeprefix('path_beneath "').removesuffix('"')
    return printable(template) if "${" in template and template != ref.rule else ""


def place_of(ref: RuleRef | Location, composed: bool) -> str:
    """Return the line of a rule, with its file if there are several."""
    return f"{printable(os.path.basename(ref.file))}:{ref.line}" if composed else str(ref.line)
