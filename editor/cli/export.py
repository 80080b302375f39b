"""``paddock export``: write a policy in another form, and say what that form cannot hold."""

import os
import sys

from editor.cli.options import UsageError, add_file_options, load_policy, new_parser, one_file_of, parse, shown
from editor.exchange import ABOUT, FORMATS, Source
from editor.policy.files import format_of, read_text
from editor.policy.parse import parse_policy
from editor.workspace.saving import AlreadyThere, SymlinkedPolicy, write_new


def main(words: list[str]) -> int:
    """Write one policy to standard output or a file; status 1 when that would widen it."""
    parser = new_parser(
        "export",
        "--to FORMAT [-o FILE [--force]] [--allow-wider] FILE",
        f"Write a policy in another form: {', '.join(f'{name} ({about.title})' for name, about in ABOUT.items())}. "
        "What the form cannot say is listed on standard error. "
        "Status 1: that would widen the policy, and nothing was written.",
    )
    add_file_options(parser)
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--allow-wider", action="store_true", help="write even what permits more than the policy")
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
        sys.stderr.write(f"paddock export: {'wider: ' if loss.widens else ''}{shown(loss.what)}\n")
    if wider:
        sys.stderr.write("paddock export: nothing was written; --allow-wider writes it all the same.\n")
        return 1
    if options.output is None:
        sys.stdout.buffer.write(exported.text.encode())
        return 0
    try:
        saved = write_new(options.output, exported.text.encode(), overwrite=options.force)
    except AlreadyThere as error:
        raise UsageError(f"{error} --force replaces it.") from error
    except SymlinkedPolicy as error:
        raise UsageError(f"{error} Name the target itself.") from error
    for note in saved.notes:
        sys.stderr.write(f"paddock export: {shown(note)}\n")
    return 0
