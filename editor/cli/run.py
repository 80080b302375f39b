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

# What to say of several paths at once, by kind of note.
_MANY = {
    "missing_path": "do not exist: their rules grant nothing",
    "unreadable": "cannot be opened: their rules grant nothing",
    "not_for_file": "are no directories: rights for directories cannot be granted on them",
}


class _Defaults:
    """The options of a command line without any, so that it does not need argparse."""

    abi: "int | None" = None
    require_abi: "int | None" = None
    quiet = False
    verbose = False
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

    is_located = False
    layers: tuple[Policy, ...] = ()
    if options.also or options.layer or variables or os.path.isdir(file):
        from editor.policy.compose import load  # noqa: PLC0415

        policy = load((file, *options.also), variables)
        layers = tuple(load((layer,), variables) for layer in options.layer)
        is_located = True
    else:
        policy = read_without_locations(file)

    def warn(resolved: "ResolvedPolicy", notes: "tuple[Note, ...]") -> None:
        _warn(resolved, notes, is_located=is_located, verbose=options.verbose)

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
    parser.add_argument("--verbose", action="store_true", help="give each of these warnings a line of its own")
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    check_layers(options, parser)
    return file, options


def _warn(resolved: "ResolvedPolicy", notes: "tuple[Note, ...]", *, is_located: bool, verbose: bool) -> None:
    """Print one line for all notes of a kind, or with ``verbose`` a line for each note.

    Unless ``is_located``, the policy was read without line numbers: it is read again where a line shows one.
    """
    kinds: dict[str, list[Note]] = {}
    for note in notes:
        kinds.setdefault(note.kind, []).append(note)
    places: dict[str, str] | None = None
    for kind, alike in kinds.items():
        if kind in _MANY and len(alike) > 1 and not verbose:
            _print_warning(f"{shown(resolved.file)}: {len(alike)} paths {_MANY[kind]} (--verbose lists them)")
            continue
        for note in alike:
            if note.subject and places is None:
                places = _places(resolved, is_located=is_located)
            where = places.get(note.subject, f"{shown(note.subject)}: ") if places is not None and note.subject else ""
            _print_warning(f"{where}{note.message}")


def _print_warning(text: str) -> None:
    sys.stderr.write(f"paddock run: warning: {text}\n")
    sys.stderr.flush()


def _places(resolved: "ResolvedPolicy", *, is_located: bool) -> dict[str, str]:
    """Return where the rule for each absolute path is, as the prefix of a message."""
    if not is_located:
        from editor.evaluation.resolve import resolve  # noqa: PLC0415
        from editor.policy.parse import read_policy  # noqa: PLC0415

        resolved = resolve(read_policy(resolved.file), base=resolved.base)
    places = {}
    for path in resolved.paths:
        ref = path.refs[0].ref
        places[resolved.absolute(path.path)] = f"{shown(ref.file)}:{ref.line}: {shown(path.path)}: "
    return places
