"""``paddock run``: enforce a policy on this process and become the command.

Services start through it, so each import waits until it is needed, and argparse until there are options.
"""

import gc
import os
import sys

from editor.cli.options import (
    UsageError,
    abi_number,
    add_file_options,
    add_layer_option,
    check_layers,
    file_word,
    new_parser,
    one_file_of,
    parse,
    policy_words,
    split_command,
    variables_of,
)

TYPE_CHECKING = False  # typing is loaded once the garbage collector is off
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from editor.evaluation.resolve import ResolvedPolicy
    from editor.landlock.ruleset import Note
    from editor.policy.model import Policy


class _Defaults:
    """The options of a command line without any, so that it does not need argparse."""

    abi: "int | None" = None
    require_abi: "int | None" = None
    quiet = False
    verbose = False
    sample: "str | None" = None
    also: "Sequence[str]" = ()
    var: "Sequence[str]" = ()
    layer: "Sequence[str]" = ()


def main(words: list[str]) -> int:
    """Enforce the policy and execute the command; return only if that fails."""
    # This process becomes the command within milliseconds; collecting garbage would take a tenth of them.
    gc.disable()
    words, command = split_command(words)
    plain = len(words) == 1 and not words[0].startswith("-")
    file, options = (words[0], _Defaults()) if plain else _parse(words)
    variables = variables_of(options.var)
    if not command:
        raise UsageError("no command given: put it after --", "usage: paddock run [options] FILE -- COMMAND")
    from editor.policy.parse import read_without_locations  # noqa: PLC0415
    from editor.sandbox.launch import Launch, LaunchError, launch  # noqa: PLC0415

    is_located = False
    layers: tuple[Policy, ...] = ()
    if options.also or options.layer or variables or os.path.isdir(file):
        from editor.policy.compose import load  # noqa: PLC0415

        policy = load((file, *options.also), variables)
        layers = tuple(load((layer,), variables) for layer in options.layer)
        is_located = True
    else:
        policy = read_without_locations(file)

    def warn(layer: "Policy", resolved: "ResolvedPolicy", notes: "tuple[Note, ...]") -> None:
        from editor.cli.warnings import warning_lines  # noqa: PLC0415

        for line in warning_lines(layer, resolved, notes, is_located=is_located, verbose=options.verbose):
            sys.stderr.write(f"paddock run: warning: {line}\n")
        sys.stderr.flush()

    named = policy_words(file, options)

    def hint(program: str) -> str:
        return f"paddock explain {named} {file_word(program)} --right execute"

    request = Launch(command, options.abi, options.require_abi, layers, hint)
    try:
        launch(policy, request, None if options.quiet else warn)
    except LaunchError as error:  # reported here: under the policy, nothing more can be imported
        sys.stderr.write(f"paddock run: {error}\n")
        return error.status


def _parse(words: list[str]) -> "tuple[str, argparse.Namespace]":
    """Return the policy file and the options."""
    parser = new_parser(
        "run",
        "[options] FILE -- COMMAND [ARGUMENT]...",
        "Enforce a policy and become COMMAND. The status is the command's own; 125: Paddock failed and the command "
        "was not started, 126: it cannot be executed, 127: it was not found.",
    )
    add_file_options(parser)
    parser.add_argument("--abi", type=abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument(
        "--require-abi", type=abi_number, metavar="N", help="fail unless everything that ABI N can enforce is enforced"
    )
    add_layer_option(parser)
    parser.add_argument("--quiet", action="store_true", help="do not warn about what cannot be enforced or granted")
    parser.add_argument(
        "--verbose", action="store_true", help="give each warning a line of its own instead of one line to all"
    )
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    check_layers(options, parser)
    return file, options
