"""Variables of Landlock Config: ``${name}`` in a path stands for each literal of the variable, ``$$`` for a dollar.

The grammar is the one of landlockconfig's ``TemplateString``: a lone ``$`` is itself, literals are never read as
templates, and a name is an ASCII letter followed by ASCII letters, digits and ``_``.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

# A template with ten variables of ten literals each would be ten thousand million paths: such a file is refused
# instead of filling the memory. Landlock itself takes as long for a rule as it takes to open a path.
MAX_PATHS = 65_536

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME_CHARACTERS = _LETTERS | frozenset("0123456789_")


class TemplateError(ValueError):
    """A template or a variable name that the format does not allow.

    ``position`` counts characters from 0 in the template, ``name`` is the variable that is meant, possibly empty.
    """

    def __init__(self, message: str, *, position: int = 0, name: str = "") -> None:
        self.message = message
        self.position = position
        self.name = name
        super().__init__(message)


class Reference(NamedTuple):
    """``${name}`` in a template; ``position`` is where its ``$`` stands, counted in characters from 0."""

    name: str
    position: int


Token = str | Reference


def name_problem(name: str) -> str:
    """What is wrong with ``name`` as a variable's name, as a phrase; empty when nothing is."""
    if not name:
        return "a variable name cannot be empty"
    if name[0] not in _LETTERS:
        return "a variable name must start with an ASCII letter"
    if not _NAME_CHARACTERS.issuperset(name):
        return "a variable name may hold only ASCII letters, digits and '_'"
    return ""


def parse_template(text: str) -> tuple[Token, ...]:
    """The parts of ``text``: strings as they will stand in the path (``$$`` already one dollar), and references.

    Two strings never follow each other; an empty text has no parts. Raises TemplateError for a ``${`` without ``}``
    and for a bad name.
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
            # "$$" and a lone "$" both leave one dollar; only the pair takes two characters.
            literal += text[start : dollar + 1]
            start = dollar + (2 if following == "$" else 1)
    literal += text[start:]
    if literal:
        tokens.append(literal)
    return tuple(tokens)


def quote(text: str) -> str:
    """A template that stands for exactly ``text``."""
    return text.replace("$", "$$")


def expand(template: str | tuple[Token, ...], variables: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Every text that ``template`` stands for: the Cartesian product of its variables' literals, each sorted.

    The last variable changes fastest, no text comes twice, and a variable without literals leaves nothing, as does the
    empty template (landlockconfig's product of nothing is nothing). Raises TemplateError for what ``parse_template``
    refuses, for an undefined variable, and for more than MAX_PATHS results.
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
    """How many texts ``expand`` makes of ``tokens`` at most, without making them. Raises TemplateError as it does."""
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
