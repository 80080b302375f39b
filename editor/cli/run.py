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
    new_parser,
    one_file_of,
    parse,
    shown,
    split_command,
    variables_of,
)

TYPE_CHECKING = False  # typing is loaded once the garbage collector is off
if TYPE_CHECKING:
    import argparse

    from editor.evaluation.resolve import ResolvedPolicy
    from editor.landlock.ruleset import Note
    from editor.policy.model import Policy


class _Defaults:
    """The options of a command line without any, so that it does not need argparse."""

    abi: "int | None" = None
    require_abi: "int | None" = None
    quiet = False
    also: "tuple[str, ...]" = ()
    var: "tuple[str, ...]" = ()
    layer: "tuple[str, ...]" = ()


def main(words: list[str]) -> int:
    """Enforce the policy and execute the command; return only if that fails."""
    # This process becomes the command within milliseconds; collecting garbage would take a tenth of them.
    gc.disable()
    words, command = split_command(words)
    plain = len(words) == 1 and not words[0].startswith("-")
    file, options = (words[0], _Defaults) if plain else _parse(words)
    variables = variables_of(options.var)
    if not command:
        raise UsageError("no command given: put it after --", "usage: paddock run [options] FILE -- COMMAND")
    from editor.policy.parse import read_without_locations  # noqa: PLC0415
    from editor.sandbox.launch import Launch, LaunchError, launch  # noqa: PLC0415

    warn = _warn
    layers: tuple[Policy, ...] = ()
    if options.also or options.layer or variables or os.path.isdir(file):
        from editor.policy.compose import load  # noqa: PLC0415

        policy = load((file, *options.also), variables)
        layers = tuple(load((layer,), variables) for layer in options.layer)
        warn = _print_warning
    else:
        policy = read_without_locations(file)
    try:
        launch(policy, Launch(command, options.abi, options.require_abi, layers), None if options.quiet else warn)
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
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    check_layers(options, parser)
    return file, options


def _warn(resolved: "ResolvedPolicy", note: "Note") -> None:
    """Print one warning. The policy was read without line numbers, so read it again with them."""
    if note.subject:
        from editor.evaluation.resolve import resolve  # noqa: PLC0415
        from editor.policy.parse import read_policy  # noqa: PLC0415

        resolved = resolve(read_policy(resolved.file), base=resolved.base)
    _print_warning(resolved, note)


def _print_warning(resolved: "ResolvedPolicy", note: "Note") -> None:
    """Print one warning about a policy that was read with line numbers."""
    where = _place_of(resolved, note.subject) if note.subject else ""
    sys.stderr.write(f"paddock run: warning: {where}{note.message}\n")
    sys.stderr.flush()


def _place_of(resolved: "ResolvedPolicy", subject: str) -> str:
    """Return where the rule for the absolute path ``subject`` is, as the prefix of a message."""
    for path in resolved.paths:
        if resolved.absolute(path.path) == subject:
            ref = path.refs[0].ref
            return f"{shown(ref.file)}:{ref.line}: {shown(path.path)}: "
    return f"{shown(subject)}: "
