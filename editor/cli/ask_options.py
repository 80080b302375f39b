"""The options of ``paddock test --mode ask``."""

import argparse
from typing import Literal, NamedTuple

from editor.cli.running import seconds


class AskOptions(NamedTuple):
    """How the questions of a run are answered.

    ``answers`` is a file of answers (see ``editor.suggest.answers``), ``save`` one to write them to. A question that is
    not answered in ``timeout`` seconds is answered with ``default``.
    """

    answers: str | None = None
    save: str | None = None
    timeout: float | None = None
    default: Literal["allow", "deny"] = "deny"


def add_ask_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for mode "ask"."""
    group = parser.add_argument_group("options for --mode ask")
    group.add_argument("--answers", metavar="FILE", help="take answers from FILE first; one JSON object a line")
    group.add_argument("--save-answers", metavar="FILE", help="write the answers to FILE, for --answers")
    group.add_argument("--ask-timeout", type=seconds, metavar="SECONDS", help="how long to wait for an answer")
    group.add_argument(
        "--ask-default", choices=("deny", "allow"), help="the answer if there is none in time, or no terminal (deny)"
    )


def ask_options_of(options: argparse.Namespace, parser: argparse.ArgumentParser) -> AskOptions | None:
    """Return what the options of ``add_ask_options`` say, None in another mode than "ask"."""
    if options.mode == "ask":
        return AskOptions(options.answers, options.save_answers, options.ask_timeout, options.ask_default or "deny")
    given = {
        "--answers": options.answers, "--save-answers": options.save_answers, "--ask-timeout": options.ask_timeout,
        "--ask-default": options.ask_default,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None:
            parser.error(f"{name} needs --mode ask")
    return None
