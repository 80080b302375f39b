"""``paddock edit``: open policies on the screen."""

import os
import sys

from editor.cli.options import (
    UsageError,
    abi_number,
    add_file_options,
    files_of,
    new_parser,
    parse,
    shown,
    variables_of,
)
from editor.workspace.samples import sample_draft


def main(words: list[str]) -> int:
    """Show the screen until it is closed. Raises UsageError without a terminal."""
    parser = new_parser(
        "edit",
        "[options] FILE...|DIR|--sample NAME",
        "Open a policy on the screen. A file that does not exist yet, or a sample, starts a new policy. Several files "
        "are shown as the one policy that they compose, and edited individually.",
    )
    add_file_options(parser)
    parser.add_argument("--root", default="/", metavar="DIR", help="the top of the file tree (default: /)")
    parser.add_argument("--abi", type=abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    options = parse(parser, words)
    sample = None
    if options.sample is not None:
        # The installed sample stays as it is: editing it starts a new policy.
        sample = sample_draft(options.sample)
        options.sample = None
        options.words.insert(0, sample.path)
    paths = (*files_of(options, parser), *options.also)
    variables = variables_of(options.var)
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise UsageError("the screen needs a terminal on standard input and output; other verbs do not.")
    if not os.path.isdir(options.root):
        raise UsageError(f"{shown(options.root)} is not a directory.")
    from editor.app import PaddockApp  # noqa: PLC0415 Textual, only when the screen opens

    app = PaddockApp(*paths, root=os.path.abspath(options.root), abi=options.abi, variables=variables, sample=sample)
    app.run()
    return app.return_code or 0


def _is_terminal(stream: object) -> bool:
    return bool(stream is not None and getattr(stream, "isatty", bool)())
