"""The ``paddock`` command: find the verb, run its module, and turn errors into messages.

Services start through ``paddock run``, so this module imports nothing that ``run`` does not need.
"""

import os
import sys
from collections.abc import Sequence

from editor.cli.options import UsageError, shell_word, shown

# Each verb is a module of this package with a function ``main(words)``. The table has its one-line description and the
# exit status for an error of Paddock's own: 125, as for env(1), when the verb otherwise exits as its command does.
VERBS: dict[str, tuple[str, int]] = {
    "edit": ("open a policy on the screen", 2),
    "check": ("parse and lint policies", 2),
    "diff": ("show what one policy allows and another does not", 2),
    "explain": ("say if a path, port or scope is allowed, and by which rule", 2),
    "grant": ("grant rights on a path or port in a policy file", 2),
    "tighten": ("take from a policy what nothing used", 2),
    "test": ("run a command under a policy and report what it accessed", 125),
    "learn": ("write the policy that a command needs", 125),
    "run": ("restrict itself with a policy and become a command", 125),
    "promise": ("list, explain or add named bundles of rules found on this system", 2),
    "verify": ("run the checks of policies, and say whether they hold", 2),
    "export": ("write a policy in another format", 2),
    "abi": ("show what this kernel enforces", 2),
}

_USAGE = """\
usage: paddock FILE...                  open policies on the screen (directory: choose one)
       paddock VERB [options] ..."""

_HELP = """\
{usage}

Paddock shows, edits and tests Landlock policies (Landlock Config, TOML or JSON).

verbs:
{verbs}

  paddock VERB --help explains a verb. Where FILE is expected, --sample NAME takes a policy that
  comes with Paddock, and a directory means all policies in it; --with FILE adds one. Several files
  are composed: rights that all of them handle are handled, and their rules are combined.
  --var NAME=VALUE sets a variable.

options:
  --sample NAME  use a sample policy (an unknown name lists them)
  --version      print the version
  --help         print this help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``paddock`` with ``arguments`` (by default the process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # closed by the caller, which is no reason to fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 open until exit
    verb = ""
    try:
        verb, words = _verb_of(words)
        status = _run(verb, words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output closed it
        _drop_output()
        return 141
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        _drop_output()
        usage = f"{error.usage}\n" if isinstance(error, UsageError) and error.usage else ""
        _complain(f"{usage}paddock{' ' if verb else ''}{verb}: {message}\n{_excerpt(error)}")
        return VERBS[verb][1] if verb in VERBS else 2
    return status


def _verb_of(words: list[str]) -> tuple[str, list[str]]:
    """Return the verb, ``--help`` or ``--version``, and its words; ``paddock FILE`` is ``paddock edit FILE``."""
    if not words:
        raise UsageError("no policy given: name a file, or see paddock --help.", _USAGE)
    first = words[0]
    if first in VERBS or first in ("--help", "--version"):
        return first, words[1:]
    if first in ("-h", "help"):
        return "--help", []
    if first == "--sample" or first.startswith("--sample="):
        taken = 1 if "=" in first else 2
        if len(words) > taken and words[taken] in (*VERBS, "--help", "--version"):
            return words[taken], words[:taken] + words[taken + 1 :]
        return "edit", words
    if first.startswith("-"):
        raise UsageError(f"unknown option {shown(first)}; see paddock --help.")
    if not (os.path.lexists(first) or "/" in first or first.endswith((".toml", ".json"))):
        raise UsageError(
            f"no verb and no file is named {shown(first)}; see paddock --help, "
            f"or create a new policy: paddock edit {shell_word(first)}"
        )
    return "edit", words


def _run(verb: str, words: list[str]) -> int:
    if verb == "--help":
        verbs = "\n".join(f"  {name:<8} {summary}" for name, (summary, _) in VERBS.items())
        sys.stdout.write(_HELP.format(usage=_USAGE, verbs=verbs))
        return 0
    if verb == "--version":
        from editor import __version__  # noqa: PLC0415

        sys.stdout.write(f"paddock {__version__}\n")
        return 0
    # Not importlib: loading it would take ``run`` longer than all else here.
    status: int = __import__(f"editor.cli.{verb}", fromlist=["main"]).main(words)
    return status


def _complain(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # a full disk, say: only the exit status is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _drop_output() -> None:
    """Discard output that could not be written: Python would try again at exit, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _message(error: Exception) -> str | None:
    """Return the message for an error of the user or the system, None for a bug in Paddock."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415
    from editor.workspace.samples import NoSuchSample  # noqa: PLC0415
    from editor.workspace.saving import SaveError  # noqa: PLC0415

    if isinstance(error, UsageError | PolicyError | NoSuchSample | SaveError):
        return shown(str(error))
    if isinstance(error, FileNotFoundError) and error.filename is None:  # from getcwd(2)
        return "the working directory no longer exists."
    if isinstance(error, OSError):
        where = f"{shown(os.fsdecode(error.filename))}: " if isinstance(error.filename, str | bytes) else ""
        return f"{where}{error.strerror or error}"
    return None


def _excerpt(error: Exception) -> str:
    """Return the faulty line of a policy file, with a mark below the place."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415

    if not isinstance(error, PolicyError):
        return ""
    from editor.cli.console import Console  # noqa: PLC0415
    from editor.cli.text import excerpt  # noqa: PLC0415

    return "".join(f"{line}\n" for line in excerpt(error, {}, Console(sys.stderr)))
