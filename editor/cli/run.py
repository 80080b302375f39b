"""``paddock run``: put a command under a policy and become it.

It stands in front of every start of a service: each import waits until it is needed, argparse for a line with options.
"""

import gc
import os
import sys

from editor.cli.options import (
    UsageError,
    abi_number,
    add_file_options,
    add_layer_option,
    layers_of,
    new_parser,
    one_file_of,
    parse,
    shown,
    split_command,
    variables_of,
)

TYPE_CHECKING = False  # typing is loaded when the garbage collector is off
if TYPE_CHECKING:
    from editor.evaluation.resolve import ResolvedPolicy
    from editor.landlock.ruleset import Note
    from editor.policy.model import Policy


def main(words: list[str]) -> int:
    """Enforce the policy and execute the command; returns only when that fails."""
    # This process ends within milliseconds: looking for garbage among the freshly loaded is a tenth of them.
    gc.disable()
    words, command = split_command(words)
    plain = len(words) == 1 and not words[0].startswith("-")
    file, abi, require_abi, quiet, also, variables, layers = (
        (words[0], None, None, False, (), {}, ()) if plain else _options_of(words)
    )
    if not command:
        raise UsageError("the command is missing: put it after --", "usage: paddock run [options] FILE -- COMMAND")
    from editor.policy.parse import read_without_locations  # noqa: PLC0415
    from editor.sandbox.launch import Launch, LaunchError, launch  # noqa: PLC0415

    warn = _warn
    above: tuple[Policy, ...] = ()
    if also or variables or layers or os.path.isdir(file):
        from editor.policy.compose import load  # noqa: PLC0415

        policy = load((file, *also), variables)
        above = tuple(load((layer,), variables) for layer in layers)
        warn = _warn_with_place
    else:
        policy = read_without_locations(file)
    try:
        launch(policy, Launch(command, abi, require_abi, above), None if quiet else warn)
    except LaunchError as error:  # told here: under the policy, nothing can be imported any more
        sys.stderr.write(f"paddock run: {error}\n")
        return error.status


def _options_of(
    words: list[str],
) -> tuple[str, int | None, int | None, bool, tuple[str, ...], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the policy file, ``--abi``, ``--require-abi``, ``--quiet``, ``--with``, ``--var`` and ``--layer``."""
    parser = new_parser(
        "run",
        "[options] FILE -- COMMAND [ARGUMENT]...",
        "Put COMMAND under a policy and become it. The status is the command's own; 125: paddock failed and the "
        "command was not started, 126: it cannot be executed, 127: it was not found.",
    )
    add_file_options(parser)
    parser.add_argument("--abi", type=abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument(
        "--require-abi", type=abi_number, metavar="N", help="refuse to start where less is enforced than ABI N can"
    )
    add_layer_option(parser)
    parser.add_argument("--quiet", action="store_true", help="do not warn of what cannot be enforced or granted")
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    also, layers = tuple(options.also), layers_of(options, parser)
    return file, options.abi, options.require_abi, options.quiet, also, variables_of(options), layers


def _warn(resolved: "ResolvedPolicy", note: "Note") -> None:
    """Write one warning. The policy was read without places: here they count."""
    if note.subject:
        from editor.evaluation.resolve import resolve  # noqa: PLC0415
        from editor.policy.parse import read_policy  # noqa: PLC0415

        resolved = resolve(read_policy(resolved.file), base=resolved.base)
    _warn_with_place(resolved, note)


def _warn_with_place(resolved: "ResolvedPolicy", note: "Note") -> None:
    """Write one warning about a policy that knows its places."""
    where = _place_of(resolved, note.subject) if note.subject else ""
    sys.stderr.write(f"paddock run: warning: {where}{note.message}\n")
    sys.stderr.flush()


def _place_of(resolved: "ResolvedPolicy", subject: str) -> str:
    """Return the place of the rule for the absolute path ``subject``, ready to be put before a sentence."""
    for path in resolved.paths:
        if resolved.absolute(path.path) == subject:
            ref = path.refs[0].ref
            return f"{shown(ref.file)}:{ref.line}: {shown(path.path)}: "
    return f"{shown(subject)}: "
