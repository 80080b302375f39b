"""Reading Landlock Config, strictly: a policy that says something unexpected is refused, never guessed at.

The rules are those of landlockconfig's parser, with four differences that help the person who writes the file: every
right of ABI 1 to 11 is known, rights of later kernels can be given as the kernel's bits (which landlockconfig's README
plans), a port above 65535 is refused here and not when the ruleset is built, and so is a variable that is not defined.
"""

from editor.policy.errors import PolicyError
from editor.policy.files import format_of, read_text
from editor.policy.model import Policy
from editor.policy.reader import PolicyReader
from editor.policy.tree import Format, Node, without_locations


def read_policy(path: str) -> Policy:
    """The policy in the file ``path``: JSON where its name ends in ``.json``, else TOML.

    Raises PolicyError for everything that keeps it from being read.
    """
    text = read_text(path)
    return parse_policy(text, path, format_of(path, text))


def read_without_locations(path: str) -> Policy:
    """As ``read_policy``, for who starts a program and shows no places: all of them are the first line.

    Not finding and not scanning for places halves the time. Raises PolicyError, with its place, as ``read_policy``.
    """
    text = read_text(path)
    if format_of(path, text) == "toml":
        import tomllib  # noqa: PLC0415 not needed for JSON

        try:
            return parse_policy(text, path, "toml", without_locations(tomllib.loads(text)))
        except (ValueError, RecursionError):
            pass  # something is wrong: said below, with its place
    return parse_policy(text, path, format_of(path, text))


def parse_policy(text: str, file: str, format: Format, root: Node | None = None) -> Policy:
    """The policy that ``text`` says. ``file`` is only for places and messages, ``root`` is the text located already.

    Raises PolicyError, the first one by its place, for a text that is not a valid configuration.
    """
    policy, problems = parse_collecting_errors(text, file, format, root)
    if problems:
        raise problems[0]
    return policy


def parse_collecting_errors(
    text: str,
    file: str,
    format: Format,
    root: Node | None = None,
    *,
    references: bool = True,
    abi: int | None = None,
) -> tuple[Policy, tuple[PolicyError, ...]]:
    """What can be understood of ``text``, and everything that is wrong with it in the order of its places.

    Without ``references``, the variables that paths use need not be defined: another file may define them.
    ``abi`` holds where the text names none: it is a part of one that does.
    Raises PolicyError only where the text is not TOML or JSON at all.
    """
    if root is None:
        from editor.policy.locate import locate  # noqa: PLC0415 not loaded by read_without_locations

        root = locate(text, format, file)
    reader = PolicyReader(text, file, format, root, references=references, abi=abi)
    policy = reader.policy()
    return policy, tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))
