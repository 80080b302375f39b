"""Parse Landlock Config strictly: anything unexpected is an error, nothing is guessed.

The rules are those of landlockconfig's parser, with four differences that help the author of a file: every right of
ABI 1 to 11 is known; rights of later kernels can be given as the kernel's bits (which landlockconfig's README plans);
and ports above 65535 and undefined variables are errors here already, not only when the ruleset is built.
"""

from editor.policy.errors import PolicyError
from editor.policy.files import format_of, read_text
from editor.policy.model import Policy
from editor.policy.reader import PolicyReader
from editor.policy.tree import Format, Node, without_locations


def read_policy(path: str) -> Policy:
    """Read and parse the policy file ``path``, JSON or TOML (see ``format_of``).

    Raises PolicyError if it cannot be read or is not a valid configuration.
    """
    text = read_text(path)
    return parse_policy(text, path, format_of(path, text))


def read_without_locations(path: str) -> Policy:
    """Like ``read_policy``, for callers that show no locations: every location is the first line.

    Not scanning for locations halves the time. Raises PolicyError, with its location, as ``read_policy`` does.
    """
    text = read_text(path)
    if format_of(path, text) == "toml":
        import tomllib  # noqa: PLC0415 not needed for JSON

        try:
            return parse_policy(text, path, "toml", without_locations(tomllib.loads(text)))
        except (ValueError, RecursionError):
            pass  # reported below, with its location
    return parse_policy(text, path, format_of(path, text))


def parse_policy(text: str, file: str, format: Format, root: Node | None = None) -> Policy:
    """Parse ``text``. ``file`` is used for locations and messages only; ``root`` is the tree of ``text``, if known.

    Raises the first PolicyError, by location, if the text is not a valid configuration.
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
    """Parse what is valid in ``text``; also return all errors, ordered by location.

    Without ``references``, the variables that paths use need not be defined: another file may define them. ``abi``
    applies if the text sets none, which is so for a part of a larger text. Raises PolicyError only if the text is not
    TOML or JSON at all.
    """
    if root is None:
        from editor.policy.locate import locate  # noqa: PLC0415 read_without_locations does not load it

        root = locate(text, format, file)
    reader = PolicyReader(text, file, format, root, references=references, abi=abi)
    policy = reader.policy()
    return policy, tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))
