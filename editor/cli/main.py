"""The ``paddock`` command: finds the verb, runs its module, and turns errors into sentences.

``paddock run`` stands in front of every start of a service: on its way nothing is imported that it does not need.
"""

import os
import sys
from collections.abc import Sequence

from editor.cli.options import UsageError, shown

# Each verb is a module of this package with ``main(words)``. Here: what it does, and the exit status when Paddock
# itself fails, which is as in env(1) for verbs that pass on a command's own status.
VERBS: dict[str, tuple[str, int]] = {
    "edit": ("open a policy on the screen", 2),
    "check": ("parse and lint policies", 2),
    "diff": ("what one policy allows and another does not", 2),
    "explain": ("would a path, a port or a scope be allowed, and by which rule", 2),
    "test": ("run a command under a policy and report what it touched", 125),
    "run": ("put a command under a policy, with nothing in between", 125),
    "export": ("write a policy in another form", 2),
    "abi": ("what this kernel enforces", 2),
}

_USAGE = """\
usage: paddock FILE...                  open policies on the screen (a directory: choose one)
       paddock VERB [options] ..."""

_HELP = """\
{usage}

Paddock shows, edits and tries out Landlock policies (Landlock Config, TOML or JSON).

verbs:
{verbs}

  paddock VERB --help says more. Wherever FILE is expected, --sample NAME takes a policy that
  comes with Paddock. A directory stands for all policies in it, --with FILE adds one: composed,
  what all of them handle is handled, and their rules add up. --var NAME=VALUE gives a variable.

options:
  --sample NAME  use a sample policy; an unknown name lists them
  --version      print the version
  --help         print this help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``paddock`` with ``arguments`` (by default the process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # closed by who started this: nobody wants to hear, and that is no reason to fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 for as long as the process lives
    verb = ""
    try:
        verb, words = _verb_of(words)
        status = _run(verb, words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        _drop_output()
        return 141
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        _drop_output()
        if isinstance(error, UsageError) and error.usage:
            sys.stderr.write(f"{error.usage}\n")
        sys.stderr.write(f"paddock{' ' if verb else ''}{verb}: {sentence}\n{_excerpt(error)}")
        return VERBS[verb][1] if verb in VERBS else 2
    return status


def _verb_of(words: list[str]) -> tuple[str, list[str]]:
    """Return the verb, ``--help`` or ``--version``, and its words; ``paddock FILE`` is ``paddock edit FILE``."""
    if not words:
        raise UsageError("which policy? paddock FILE opens one, paddock --help says more.", _USAGE)
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
        raise UsageError(f"there is no option {shown(first)}; paddock --help lists them.")
    if not (os.path.lexists(first) or "/" in first or first.endswith((".toml", ".json"))):
        raise UsageError(
            f"there is no verb and no file {shown(first)}; paddock --help lists the verbs, "
            f"paddock edit {shown(first)} makes a new policy."
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
    # importlib would cost ``run`` more than the rest of this module.
    status: int = __import__(f"editor.cli.{verb}", fromlist=["main"]).main(words)
    return status


def _drop_output() -> None:
    """Discard what standard output did not take: Python would try again at exit, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _sentence(error: Exception) -> str | None:
    """Return what to tell a person of an error that is theirs or the machine's; None for a bug of ours."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415
    from editor.workspace.samples import NoSuchSample  # noqa: PLC0415
    from editor.workspace.saving import SaveError  # noqa: PLC0415

    if isinstance(error, UsageError | PolicyError | NoSuchSample | SaveError):
        return shown(str(error))
    if isinstance(error, FileNotFoundError) and error.filename is None:  # getcwd(2) names nothing
        return "the working directory does not exist any more."
    if isinstance(error, OSError):
        where = f"{shown(os.fsdecode(error.filename))}: " if isinstance(error.filename, str | bytes) else ""
        return f"{where}{error.strerror or error}"
    return None


def _excerpt(error: Exception) -> str:
    """Return the line of a policy file that is wrong, and a mark below the place."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415

    if not isinstance(error, PolicyError):
        return ""
    from editor.cli.console import Console  # noqa: PLC0415
    from editor.cli.text import excerpt  # noqa: PLC0415

    return "".join(f"{line}\n" for line in excerpt(error, {}, Console(sys.stderr)))
