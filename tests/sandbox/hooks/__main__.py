"""Walks the table of hooks: ``python -m tests.sandbox.hooks [WORD]...``.

Tries the ways whose hook or name contains one of the words, or all of them. Prints a line for each; the exit status is
1 if any is wrong.
"""

import argparse

from tests.sandbox.hooks.walk import WAYS, Skipped, try_way


def main() -> int:
    """Walk the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.hooks")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()
    right = wrong = skipped = 0
    for hook, way in WAYS:
        name = f"{hook.name}: {way.name}"
        if options.words and not any(word in name for word in options.words):
            continue
        try:
            problems = try_way(hook, way)
        except Skipped as reason:
            skipped += 1
            print(f"skipped  {name} ({reason})", flush=True)
            continue
        wrong, right = wrong + bool(problems), right + (not problems)
        print(f"{'WRONG ' if problems else 'right '}   {name}", *problems, sep="\n    ", flush=True)
    print(f"{right} right, {wrong} wrong, {skipped} skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
