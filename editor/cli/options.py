"""Command-line options that several verbs share, on top of argparse.

Services start through ``paddock run``, so argparse is imported only once there are options to parse.
"""

TYPE_CHECKING = False  # typing is loaded later: ``run`` first turns the garbage collector off
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    from editor.policy.model import Policy

    class Policies(Protocol):
        """The options that name policies, and the ABI to enforce them at."""

        sample: str | None
        also: Sequence[str]
        var: Sequence[str]
        layer: Sequence[str]
        abi: int | None


FORMATS = ("text", "json")
_MAX_LAYERS = 16  # LANDLOCK_MAX_NUM_LAYERS in security/landlock/limits.h


class UsageError(Exception):
    """An invalid command line; ``usage`` is the usage line to print first, possibly empty."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


def shown(text: str) -> str:
    """Return ``text`` safe to print."""
    from editor.escape import printable  # noqa: PLC0415 only for messages

    return printable(text)


_UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_")


def shell_word(text: str) -> str:
    """Return ``text`` as one word for sh(1), on one line of printable characters.

    Imports nothing: ``run`` needs it when the policy is enforced, and a POSIX shell has no other form than printf(1)
    for characters that are not safe to show.
    """
    if text and _UNQUOTED.issuperset(text):
        return text
    if text and text.isprintable():
        return "'" + text.replace("'", "'\\''") + "'"
    kept = text.rstrip("\n")  # a command substitution removes these
    octal = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\%'-" else f"\\{byte:03o}"
        for byte in kept.encode(errors="surrogateescape")
    )
    return f"\"$(printf '{octal}')\"" + ("'" + text[len(kept) :] + "'" if kept != text else "")


def file_word(path: str) -> str:
    """Return ``path`` as one word for sh(1) that no verb takes for an option, a port or a command in PATH."""
    return shell_word(path if path.startswith(("/", "./", "../")) else f"./{path}")


def policy_words(file: str, options: "Policies") -> str:
    """Return what names the same policy again on a command line, quoted for sh(1)."""
    words: list[str] = []
    if options.sample is not None:
        words += ["--sample", shell_word(options.sample)]
    for name, files in (("--with", options.also), ("--layer", options.layer)):
        words += [word for each in files for word in (name, policy_file_word(each))]
    words += [word for each in options.var for word in ("--var", shell_word(each))]
    if options.abi is not None:
        words += ["--abi", str(options.abi)]
    if options.sample is None:
        words.append(policy_file_word(file))
    return " ".join(words)


def policy_file_word(path: str) -> str:
    """Return the path of a policy as one word for sh(1) that no verb takes for an option."""
    return file_word(path) if path.startswith("-") else shell_word(path)


def split_command(words: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the words before ``--`` and the command after it."""
    if "--" not in words:
        return words, ()
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


def new_parser(verb: str, usage: str, description: str) -> "argparse.ArgumentParser":
    """Return a parser for ``paddock VERB`` that raises UsageError instead of exiting."""
    import argparse  # noqa: PLC0415

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> "NoReturn":
            raise UsageError(message, f"usage: {self.usage}")

    return Parser(prog=f"paddock {verb}", usage=f"paddock {verb} {usage}", description=description, allow_abbrev=False)


def parse(parser: "argparse.ArgumentParser", words: list[str]) -> "argparse.Namespace":
    """Parse options and words in any order; all that follows ``--`` is words. Raises UsageError."""
    words, following = split_command(words)
    options = parser.parse_intermixed_args(words)
    if following and not hasattr(options, "words"):
        parser.error(f"unrecognized arguments: {' '.join(following)}")
    if following:
        options.words += following
    return options


def abi_number(text: str) -> int:
    """Convert the value of ``--abi``. Raises ValueError, as argparse expects."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


abi_number.__name__ = "Landlock ABI"  # argparse: "invalid Landlock ABI value: 'x'"


def add_file_options(parser: "argparse.ArgumentParser") -> None:
    """Add FILE and the options that complete it: ``--sample``, ``--with`` and ``--var``."""
    parser.add_argument("words", nargs="*", metavar="FILE", help="a policy, TOML or JSON")
    parser.add_argument("--sample", metavar="NAME", help="use a sample policy as FILE")
    parser.add_argument(
        "--with", dest="also", action="append", default=[], metavar="FILE", help="compose FILE with this policy file"
    )
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="set a variable for this run")


def add_layer_option(parser: "argparse.ArgumentParser") -> None:
    """Add ``--layer``."""
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="FILE",
        help="add the policy FILE as one more layer, a sandbox inside the sandbox",
    )


def check_layers(options: "argparse.Namespace", parser: "argparse.ArgumentParser") -> None:
    """Raise UsageError if ``--layer`` makes more layers than the kernel allows."""
    if len(options.layer) >= _MAX_LAYERS:
        parser.error(f"Landlock allows at most {_MAX_LAYERS} layers")


def variables_of(words: "Sequence[str]") -> dict[str, tuple[str, ...]]:
    """Return the variables in the values of ``--var``. Raises UsageError."""
    if not words:
        return {}
    from editor.policy.compose import VariableError, parse_variables  # noqa: PLC0415

    try:
        return parse_variables(words)
    except VariableError as error:
        raise UsageError(str(error)) from error


def load_policy(file: str, options: "argparse.Namespace") -> "Policy":
    """Load ``file``, or all policies of a directory, with ``--with`` and ``--var`` applied. Raises PolicyError."""
    from editor.policy.compose import load  # noqa: PLC0415

    return load((file, *options.also), variables_of(options.var))


def load_layers(file: str, options: "argparse.Namespace") -> "tuple[Policy, ...]":
    """Load the policy of ``file`` as ``load_policy`` does, and those of ``--layer``, the oldest first."""
    from editor.policy.compose import load  # noqa: PLC0415

    variables = variables_of(options.var)
    return load((file, *options.also), variables), *(load((layer,), variables) for layer in options.layer)


def files_of(options: "argparse.Namespace", parser: "argparse.ArgumentParser", following: int = 0) -> list[str]:
    """Return the policy files and the ``following`` words after them. Raises UsageError, NoSuchSample."""
    words: list[str] = list(options.words)
    if options.sample is not None:
        from editor.workspace.samples import sample_path  # noqa: PLC0415

        words.insert(max(0, len(words) - following), sample_path(options.sample))
    if len(words) < 1 + following:
        parser.error("no policy file given" if not words else "an argument is missing after the policy file")
    return words


def one_file_of(options: "argparse.Namespace", parser: "argparse.ArgumentParser", following: int = 0) -> list[str]:
    """Return the one policy file and the ``following`` words after it. Raises UsageError, NoSuchSample."""
    words = files_of(options, parser, following)
    if len(words) > 1 + following:
        parser.error(f"unexpected argument: {shown(words[-1])}")
    return words
