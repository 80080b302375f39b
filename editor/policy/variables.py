"""Variables of Landlock Config: ``${name}`` in a path means each literal of the variable, ``$$`` a dollar sign.

The grammar is that of landlockconfig's ``TemplateString``: a lone ``$`` is literal, literals are never templates
themselves, and a name is an ASCII letter followed by ASCII letters, digits and ``_``.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

# A template with ten variables of ten literals each would be ten billion paths: such a file is refused before it fills
# the memory.
MAX_PATHS = 65_536

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME_CHARACTERS = _LETTERS | frozenset("0123456789_")


class TemplateError(ValueError):
    """A template or a variable name that the format does not allow.

    ``position`` is a character offset in the template; ``name`` is the variable in question and may be empty.
    """

    def __init__(self, message: str, *, position: int = 0, name: str = "") -> None:
        self.message = message
        self.position = position
        self.name = name
        super().__init__(message)


class Reference(NamedTuple):
    """``${name}`` in a template; ``position`` is the character offset of its ``$``."""

    name: str
    position: int


Token = str | Reference


def name_problem(name: str) -> str:
    """Return what is wrong with ``name`` as a variable name, as a phrase; empty if it is valid."""
    if not name:
        return "a variable name cannot be empty"
    if name[0] not in _LETTERS:
        return "a variable name must start with an ASCII letter"
    if not _NAME_CHARACTERS.issuperset(name):
        return "a variable name may contain only ASCII letters, digits and '_'"
    return ""


def parse_template(text: str) -> tuple[Token, ...]:
    """Split ``text`` into literal strings (``$$`` already replaced) and references.

    Strings are never adjacent; an empty text has no parts. Raises TemplateError for a ``${`` without ``}`` and for an
    invalid name.
    """
    if "$" not in text:
        return (text,) if text else ()
    tokens: list[Token] = []
    literal = ""
    start = 0
    while (dollar := text.find("$", start)) >= 0:
        following = text[dollar + 1 : dollar + 2]
        if following == "{":
            end = text.find("}", dollar + 2)
            if end < 0:
                raise TemplateError("the variable reference is never closed: '}' is missing", position=dollar)
            name = text[dollar + 2 : end]
            if problem := name_problem(name):
                raise TemplateError(problem, position=dollar, name=name)
            literal += text[start:dollar]
            if literal:
                tokens.append(literal)
                literal = ""
            tokens.append(Reference(name, dollar))
            start = end + 1
        else:
            # Both "$$" and a lone "$" yield one dollar; only the pair consumes two characters.
            literal += text[start : dollar + 1]
            start = dollar + (2 if following == "$" else 1)
    literal += text[start:]
    if literal:
        tokens.append(literal)
    return tuple(tokens)


def quote(text: str) -> str:
    """Return the template that means exactly ``text``."""
    return text.replace("$", "$$")


def expand(template: str | tuple[Token, ...], variables: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Expand ``template`` to the Cartesian product of its variables' literals, each sorted.

    The last variable varies fastest and duplicates are dropped. A variable without literals yields nothing, and so does
    the empty template, as in landlockconfig. Raises TemplateError for an invalid template, an undefined variable, or
    more than MAX_PATHS results.
    """
    tokens = parse_template(template) if isinstance(template, str) else template
    if not tokens:
        return ()
    if len(tokens) == 1 and isinstance(tokens[0], str):
        return (tokens[0],)
    count_paths(tokens, variables)
    choices = [[token] if isinstance(token, str) else sorted(set(variables[token.name])) for token in tokens]
    return tuple(dict.fromkeys("".join(parts) for parts in product(*choices)))


def count_paths(tokens: tuple[Token, ...], variables: Mapping[str, Iterable[str]]) -> int:
    """Return the maximum number of results ``expand`` has for ``tokens``. Raises TemplateError as ``expand`` does."""
    count = 1 if tokens else 0
    for token in tokens:
        if isinstance(token, str):
            continue
        if token.name not in variables:
            message = f"the variable '{token.name}' is not defined"
            raise TemplateError(message, position=token.position, name=token.name)
        count *= len(set(variables[token.name]))
        if count > MAX_PATHS:
            message = f"the variables of this path multiply to more than {MAX_PATHS} paths"
            raise TemplateError(message, position=token.position, name=token.name)
    return count
