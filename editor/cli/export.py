"""``paddock export``: write a policy in another format, and report what that format cannot express."""

import os
import sys

from editor.cli.options import UsageError, add_file_options, load_policy, new_parser, one_file_of, parse, shown
from editor.exchange import FORMAT_INFO, FORMATS, Source
from editor.policy.files import format_of, read_text
from editor.policy.parse import parse_policy
from editor.workspace.saving import AlreadyExists, SymlinkedPolicy, write_new


def main(words: list[str]) -> int:
    """Write one policy to standard output or a file; status 1 if the result would allow more."""
    formats = ", ".join(f"{name} ({info.title})" for name, info in FORMAT_INFO.items())
    parser = new_parser(
        "export",
        "--to FORMAT [-o FILE [--force]] [--allow-wider] FILE",
        f"Write a policy in another format: {formats}. "
        "Whatever the format cannot express is reported on standard error. "
        "Status 1: the result would allow more than the policy, so nothing was written.",
    )
    add_file_options(parser)
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--allow-wider", action="store_true", help="write even a result that allows more than the policy"
    )
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    if options.also or options.var or os.path.isdir(file):
        policy, source = load_policy(file, options), None
    else:
        text = read_text(file)
        source = Source(text, format_of(file, text))
        policy = parse_policy(text, file, source.format)
    exported = FORMATS[options.to](policy, source)
    wider = any(loss.widens for loss in exported.lost) and not options.allow_wider
    for loss in exported.lost:
        sys.stderr.write(f"paddock export: {'wider: ' if loss.widens else ''}{shown(loss.message)}\n")
    if wider:
        sys.stderr.write("paddock export: nothing was written, since it would allow more; --allow-wider writes it.\n")
        return 1
    if options.output is None:
        sys.stdout.buffer.write(exported.text.encode())
        return 0
    try:
        saved = write_new(options.output, exported.text.encode(), overwrite=options.force)
    except AlreadyExists as error:
        raise UsageError(f"{error} Use --force to replace it.") from error
    except SymlinkedPolicy as error:
        raise UsageError(f"{error} Name the target instead.") from error
    for note in saved.notes:
        sys.stderr.write(f"paddock export: {shown(note)}\n")
    return 0
