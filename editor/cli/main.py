"""The ``paddock`` command: one thin function a verb; what a verb needs is imported when it is used.

``paddock run`` stands in front of every start of a service: on its way nothing is imported here that it does not need,
not even argparse.
"""

import os
import sys
from collections.abc import Callable, Sequence

TYPE_CHECKING = False  # typing itself is loaded later: ``run`` first turns the search for garbage off
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

    from editor.cli.console import Console
    from editor.evaluation.resolve import ResolvedPolicy
    from editor.landlock.ruleset import Note
    from editor.policy.model import Policy
    from editor.sandbox.verdicts.report import AbiUsed

_HELP = """\
usage: paddock FILE...                  open policies on the screen (a directory: choose one)
       paddock VERB [options] ...

Paddock shows, edits and tries out Landlock policies (Landlock Config, TOML or JSON).

verbs:
  edit     open a policy on the screen
  check    parse and lint policies
  diff     what one policy allows and another does not
  explain  would a path, a port or a scope be allowed, and by which rule
  test     run a command under a policy and report what it touched
  run      put a command under a policy, with nothing in between
  export   write a policy in another form
  abi      what this kernel enforces

  paddock VERB --help says more. Wherever FILE is expected, --sample NAME takes a policy that
  comes with Paddock. A directory stands for all policies in it, --with FILE adds one: composed,
  what all of them handle is handled, and their rules add up. --var NAME=VALUE gives a variable.

options:
  --sample NAME  use a sample policy; an unknown name lists them
  --version      print the version
  --help         print this help
"""

# What says that Paddock itself failed: as env(1) where a command's own status is passed on.
_FAILED = {"test": 125, "run": 125}
_FORMATS = ("text", "json")
_MAX_LAYERS = 16  # LANDLOCK_MAX_NUM_LAYERS in security/landlock/limits.h


class UsageError(Exception):
    """A command line that makes no sense; ``usage`` is the line that shows how it is meant, possibly empty."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``paddock`` with ``arguments`` (by default the process's own) and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stderr is None:  # closed by who started this: nobody wants to hear, and that is no reason to fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 for as long as the process lives
    verb = ""
    try:
        verb, words = _verb_of(words)
        status = VERBS[verb](words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        _drop_output()
        return 141
    except Exception as error:
        sentence = _mistake(error)
        if sentence is None:
            raise
        _drop_output()
        if isinstance(error, UsageError) and error.usage:
            sys.stderr.write(f"{error.usage}\n")
        sys.stderr.write(f"paddock{' ' if verb else ''}{verb}: {sentence}\n{_excerpt(error)}")
        return _FAILED.get(verb, 2)
    return status


def _verb_of(words: list[str]) -> tuple[str, list[str]]:
    """The verb and its words; ``paddock FILE`` is ``paddock edit FILE``."""
    if not words:
        raise UsageError("which policy? paddock FILE opens one, paddock --help says more.", _HELP.partition("\n\n")[0])
    first = words[0]
    if first in VERBS:
        return first, words[1:]
    if first in ("--help", "-h", "help"):
        return "--help", []
    if first == "--version":
        return "--version", []
    if first == "--sample" or first.startswith("--sample="):
        taken = 1 if "=" in first else 2
        if len(words) > taken and words[taken] in VERBS:
            return words[taken], words[:taken] + words[taken + 1 :]
        return "edit", words
    if first.startswith("-"):
        raise UsageError(f"there is no option {_shown(first)}; paddock --help lists them.")
    if not (os.path.lexists(first) or "/" in first or first.endswith((".toml", ".json"))):
        raise UsageError(
            f"there is no verb and no file {_shown(first)}; paddock --help lists the verbs, "
            f"paddock edit {_shown(first)} makes a new policy."
        )
    return "edit", words


def _drop_output() -> None:
    """Forget what standard output did not take: Python would try again at exit, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _shown(text: str) -> str:
    from editor.escape import printable  # noqa: PLC0415

    return printable(text)


def _mistake(error: Exception) -> str | None:
    """What to tell a person of an error that is theirs or the machine's; None for one that is ours."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415
    from editor.workspace.samples import NoSuchSample  # noqa: PLC0415
    from editor.workspace.saving import SaveError  # noqa: PLC0415

    if isinstance(error, UsageError | PolicyError | NoSuchSample | SaveError):
        return _shown(str(error))
    if isinstance(error, FileNotFoundError) and error.filename is None:  # getcwd(2) names nothing
        return "the working directory does not exist any more."
    if isinstance(error, OSError):
        where = f"{_shown(os.fsdecode(error.filename))}: " if isinstance(error.filename, str | bytes) else ""
        return f"{where}{error.strerror or error}"
    return None


def _excerpt(error: Exception) -> str:
    """The line of a policy file that is wrong, and a mark below the place."""
    from editor.policy.errors import PolicyError  # noqa: PLC0415

    if not isinstance(error, PolicyError):
        return ""
    from editor.analysis.check import excerpt  # noqa: PLC0415
    from editor.cli.console import Console  # noqa: PLC0415

    return "".join(f"{line}\n" for line in excerpt(error, {}, Console(sys.stderr)))


# Command lines


def _parser(verb: str, usage: str, description: str) -> "argparse.ArgumentParser":
    import argparse  # noqa: PLC0415

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> "NoReturn":
            raise UsageError(message, f"usage: {self.usage}")

    return Parser(prog=f"paddock {verb}", usage=f"paddock {verb} {usage}", description=description, allow_abbrev=False)


def _parsed(parser: "argparse.ArgumentParser", words: list[str]) -> "argparse.Namespace":
    """The options and words of a command line, in any order; what follows ``--`` is words."""
    words, following = _command_of(words)
    options = parser.parse_intermixed_args(words)
    if following and not hasattr(options, "words"):
        parser.error(f"unrecognized arguments: {' '.join(following)}")
    if following:
        options.words += following
    return options


def _abi_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_abi_number.__name__ = "Landlock ABI"  # argparse: "invalid Landlock ABI value: 'x'"


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError
    return number


_seconds.__name__ = "number of seconds"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "number"


def _add_file_options(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument("words", nargs="*", metavar="FILE", help="the policy, TOML or JSON")
    parser.add_argument("--sample", metavar="NAME", help="use this sample policy as FILE")
    parser.add_argument(
        "--with", dest="also", action="append", default=[], metavar="FILE", help="compose FILE with this policy file"
    )
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="the value of a variable, for this once"
    )


def _add_layer_option(parser: "argparse.ArgumentParser") -> None:
    parser.add_argument(
        "--layer", action="append", default=[], metavar="FILE", help="put FILE on top, as a sandbox inside the sandbox"
    )


def _layers(options: "argparse.Namespace", parser: "argparse.ArgumentParser") -> tuple[str, ...]:
    if len(options.layer) >= _MAX_LAYERS:
        parser.error(f"Landlock takes at most {_MAX_LAYERS} layers")
    return tuple(options.layer)


def _variables(options: "argparse.Namespace") -> dict[str, tuple[str, ...]]:
    """The variables of ``--var``. Raises UsageError."""
    from editor.policy.compose import VariableError, parse_variables  # noqa: PLC0415

    try:
        return parse_variables(options.var)
    except VariableError as error:
        raise UsageError(str(error)) from error


def _policy(file: str, options: "argparse.Namespace") -> "Policy":
    """The policy that FILE is, or that a directory and what ``--with`` and ``--var`` add make."""
    from editor.policy.compose import load  # noqa: PLC0415

    return load((file, *options.also), _variables(options))


def _files(options: "argparse.Namespace", parser: "argparse.ArgumentParser", following: int = 0) -> list[str]:
    """The policy files, and after them ``following`` further words. Raises UsageError, NoSuchSample."""
    words: list[str] = list(options.words)
    if options.sample is not None:
        from editor.workspace.samples import sample_path  # noqa: PLC0415

        words.insert(max(0, len(words) - following), sample_path(options.sample))
    if len(words) < 1 + following:
        parser.error("a policy file is missing" if not words else "something is missing after the policy file")
    return words


def _one_file(options: "argparse.Namespace", parser: "argparse.ArgumentParser", following: int = 0) -> list[str]:
    words = _files(options, parser, following)
    if len(words) > 1 + following:
        parser.error(f"too many words: {_shown(words[-1])}")
    return words


def _command_of(words: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The words before ``--`` and the command after it."""
    if "--" not in words:
        return words, ()
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


# The verbs


def _help(_words: list[str]) -> int:
    sys.stdout.write(_HELP)
    return 0


def _version(_words: list[str]) -> int:
    from editor import __version__  # noqa: PLC0415

    sys.stdout.write(f"paddock {__version__}\n")
    return 0


def _abi(words: list[str]) -> int:
    parser = _parser("abi", "[--format text|json]", "What this kernel enforces. Status 1: Landlock is off.")
    parser.add_argument("--format", choices=_FORMATS, default="text")
    options = _parsed(parser, words)
    from editor.cli.console import Console, prepare_streams  # noqa: PLC0415
    from editor.landlock.abi import probe  # noqa: PLC0415

    prepare_streams()
    state = probe()
    if options.format == "json":
        from editor.analysis.check import kernel_json  # noqa: PLC0415

        _print_json(kernel_json(state))
    else:
        from editor.cli.text import kernel_lines  # noqa: PLC0415

        console = Console(sys.stdout)
        console.write(kernel_lines(state, console))
    return 0 if state.abi else 1


def _check(words: list[str]) -> int:
    parser = _parser(
        "check",
        "[options] FILE|DIR...",
        "Parse and lint policies. Status 0: clean, 1: findings (notes do not count), 2: a file cannot be read or "
        "parsed.",
    )
    _add_file_options(parser)
    parser.add_argument(
        "--target-abi", "--abi", dest="abi", type=_abi_number, metavar="N", help="the Landlock ABI that it is meant for"
    )
    parser.add_argument("--format", choices=(*_FORMATS, "sarif"), default="text")
    parser.add_argument(
        "--fix", action="store_true", help="mend in each file what can be mended without changing the meaning here"
    )
    parser.add_argument("--notes", action="store_true", help="show what may well be meant just so, too")
    parser.add_argument("--ignore", action="append", default=[], metavar="ID", help="leave out findings of this kind")
    parser.add_argument(
        "--compat", action="store_true", help="instead, say what every Landlock ABI makes of the policy"
    )
    options = _parsed(parser, words)
    files = _files(options, parser)
    from editor.analysis.check import Check, check, checked_lines  # noqa: PLC0415
    from editor.analysis.lint.engine import LINTS  # noqa: PLC0415
    from editor.cli.console import Console, prepare_streams  # noqa: PLC0415
    from editor.workspace.saving import SaveError  # noqa: PLC0415

    for id_ in options.ignore:
        if id_ not in LINTS:
            parser.error(f"there is no finding {_shown(id_)}; there are: {', '.join(sorted(LINTS))}")
    if options.fix and (options.also or options.var or options.compat):
        parser.error("--fix mends each file by itself: it goes without --with, --var and --compat")
    prepare_streams()
    console = Console(sys.stdout)
    if options.compat:
        return _check_compatibility(files, options, console)
    variables = _variables(options)
    ignored = frozenset(options.ignore)
    checked = []
    unsaved = []
    for file in files:
        try:
            checked.append(check(Check((file, *options.also), options.abi, variables, ignored, options.fix)))
        except SaveError as error:  # the other files are mended all the same
            unsaved.append(str(error))
    for sentence in (*(sentence for each in checked for sentence in each.unmended), *unsaved):
        sys.stderr.write(f"paddock check: {_shown(sentence)}\n")
    if options.format == "json":
        _print_json({"files": [each.to_json() for each in checked]})
    elif options.format == "sarif":
        from editor.cli.sarif import sarif  # noqa: PLC0415

        _print_json(sarif(checked))
    else:
        console.write(checked_lines(checked, console, notes=options.notes))
    return 2 if unsaved else max(each.status for each in checked)


def _check_compatibility(files: list[str], options: "argparse.Namespace", console: "Console") -> int:
    from editor.analysis.compatibility import compatibility, compatibility_lines  # noqa: PLC0415

    if options.format == "sarif":
        raise UsageError("--compat makes text or JSON.")
    reports = [compatibility(_policy(file, options)) for file in files]
    if options.format == "json":
        _print_json({"files": [each.to_json() for each in reports]})
    else:
        console.write(compatibility_lines(reports, console))
    return 0


def _explain(words: list[str]) -> int:
    parser = _parser(
        "explain",
        "[--right R]... [--abi N] [--format text|json] FILE TARGET | --all FILE",
        "Would TARGET be allowed, and by which rule? TARGET is a path, tcp:443, tcp:https, udp:53 or scope:signal. "
        "Status 0: allowed, 1: denied, 2: error.",
    )
    _add_file_options(parser)
    parser.add_argument("--right", action="append", default=[], metavar="R", help="a right by its kernel name")
    parser.add_argument("--all", action="store_true", help="everything that FILE gives, as a tree; status 0")
    parser.add_argument("--abi", type=_abi_number, metavar="N", help="answer for this Landlock ABI")
    parser.add_argument("--format", choices=_FORMATS, default="text")
    options = _parsed(parser, words)
    if options.all:
        return _explain_all(options, parser)
    file, text = _one_file(options, parser, following=1)
    from editor.analysis.explain import TargetError, explain, parse_target  # noqa: PLC0415
    from editor.cli.console import Console, prepare_streams  # noqa: PLC0415

    prepare_streams()
    policy = _policy(file, options)
    try:
        target = parse_target(text, tuple(options.right))
    except TargetError as error:
        raise UsageError(str(error)) from error
    explanation = explain(policy, target, _abi_to_explain(policy, options.abi))
    if options.format == "json":
        _print_json(explanation.to_json())
    else:
        from editor.cli.text import explanation_lines  # noqa: PLC0415

        console = Console(sys.stdout)
        console.write(explanation_lines(explanation, policy, console))
    return 0 if explanation.allowed else 1


def _explain_all(options: "argparse.Namespace", parser: "argparse.ArgumentParser") -> int:
    if options.right:
        parser.error("--right asks about a TARGET, --all about everything")
    (file,) = _one_file(options, parser)
    from editor.analysis.effective import effective, effective_lines  # noqa: PLC0415
    from editor.cli.console import Console, prepare_streams  # noqa: PLC0415

    prepare_streams()
    policy = _policy(file, options)
    found = effective(policy, _abi_to_explain(policy, options.abi))
    if options.format == "json":
        _print_json(found.to_json())
    else:
        console = Console(sys.stdout)
        console.write(effective_lines(found, console))
    return 0


def _abi_to_explain(policy: "Policy", asked: int | None) -> "AbiUsed":
    """The ABI to answer for: the one asked for, the kernel's, or where there is none the policy's own."""
    from editor.landlock.abi import probe  # noqa: PLC0415
    from editor.landlock.rights import LATEST_ABI  # noqa: PLC0415
    from editor.sandbox.verdicts.report import AbiUsed  # noqa: PLC0415

    state = probe()
    return AbiUsed(state.abi, min(asked or state.abi or policy.abi or LATEST_ABI, LATEST_ABI))


def _test(words: list[str]) -> int:
    words, command = _command_of(words)
    parser = _parser(
        "test",
        "[options] FILE -- COMMAND [ARGUMENT]...",
        "Run COMMAND under a policy and report every access. The status is the command's own (128+n for signal n); "
        "125: paddock failed, 126: the command cannot be executed, 127: it was not found.",
    )
    _add_file_options(parser)
    parser.add_argument("--mode", choices=("enforce", "observe"), default="enforce", help="observe: only predict")
    parser.add_argument("--abi", type=_abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end the command after this long")
    parser.add_argument(
        "--max-processes", type=_count, metavar="N", help="kill the run when more processes and threads are alive: 125"
    )
    parser.add_argument(
        "--io-uring", choices=("allow", "deny"), default="allow", help="deny: programs find that the kernel has none"
    )
    _add_layer_option(parser)
    parser.add_argument("--format", choices=(*_FORMATS, "jsonl"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report there")
    options = _parsed(parser, words)
    (file,) = _one_file(options, parser)
    if not command:
        parser.error("the command is missing: put it after --")
    from editor.cli.test import Test, run_test  # noqa: PLC0415

    paths = (file, *options.also)
    variables = _variables(options)
    return run_test(
        Test(
            paths, variables, command, options.mode, options.abi, options.timeout, options.format, options.output,
            _layers(options, parser), options.max_processes, options.io_uring == "deny",
        )
    )  # fmt: skip


def _run(words: list[str]) -> int:
    import gc  # noqa: PLC0415

    # This process ends within milliseconds: looking for garbage among the freshly loaded is a tenth of them.
    gc.disable()
    words, command = _command_of(words)
    plain = len(words) == 1 and not words[0].startswith("-")
    file, abi, require_abi, quiet, also, variables, layers = (
        (words[0], None, None, False, (), {}, ()) if plain else _run_options(words)
    )
    if not command:
        raise UsageError("the command is missing: put it after --", "usage: paddock run [options] FILE -- COMMAND")
    from editor.policy.parse import read_unplaced  # noqa: PLC0415
    from editor.sandbox.launch import Launch, LaunchError, launch  # noqa: PLC0415

    warn = _warn
    above: tuple[Policy, ...] = ()
    if also or variables or layers or os.path.isdir(file):
        from editor.policy.compose import load  # noqa: PLC0415

        policy = load((file, *also), variables)
        above = tuple(load((layer,), variables) for layer in layers)
        warn = _warn_with_place
    else:
        policy = read_unplaced(file)
    try:
        launch(policy, Launch(command, abi, require_abi, above), None if quiet else warn)
    except LaunchError as error:  # told here: under the policy, nothing can be imported any more
        sys.stderr.write(f"paddock run: {error}\n")
        return error.status


def _run_options(
    words: list[str],
) -> tuple[str, int | None, int | None, bool, tuple[str, ...], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The policy file, ``--abi``, ``--require-abi``, ``--quiet``, ``--with``, ``--var`` and ``--layer``."""
    parser = _parser(
        "run",
        "[options] FILE -- COMMAND [ARGUMENT]...",
        "Put COMMAND under a policy and become it. The status is the command's own; 125: paddock failed and the "
        "command was not started, 126: it cannot be executed, 127: it was not found.",
    )
    _add_file_options(parser)
    parser.add_argument("--abi", type=_abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument(
        "--require-abi", type=_abi_number, metavar="N", help="refuse to start where less is enforced than ABI N can"
    )
    _add_layer_option(parser)
    parser.add_argument("--quiet", action="store_true", help="do not warn of what cannot be enforced or granted")
    options = _parsed(parser, words)
    (file,) = _one_file(options, parser)
    also, layers = tuple(options.also), _layers(options, parser)
    return file, options.abi, options.require_abi, options.quiet, also, _variables(options), layers


def _warn(resolved: "ResolvedPolicy", note: "Note") -> None:
    """One warning of ``paddock run``, on standard error. The policy was read without places: here they count."""
    if note.subject:
        from editor.evaluation.resolve import resolve  # noqa: PLC0415
        from editor.policy.parse import read_policy  # noqa: PLC0415

        resolved = resolve(read_policy(resolved.file), base=resolved.base)
    _warn_with_place(resolved, note)


def _warn_with_place(resolved: "ResolvedPolicy", note: "Note") -> None:
    """One warning of ``paddock run`` about a policy that knows its places."""
    where = _place_of(resolved, note.subject) if note.subject else ""
    sys.stderr.write(f"paddock run: warning: {where}{note.message}\n")
    sys.stderr.flush()


def _place_of(resolved: "ResolvedPolicy", subject: str) -> str:
    """Where the rule for the absolute path ``subject`` stands."""
    for path in resolved.paths:
        if resolved.absolute(path.path) == subject:
            ref = path.refs[0].ref
            return f"{_shown(ref.file)}:{ref.line}: {_shown(path.path)}: "
    return f"{_shown(subject)}: "


def _export(words: list[str]) -> int:
    from editor.exchange import ABOUT, FORMATS, Source  # noqa: PLC0415

    parser = _parser(
        "export",
        "--to FORMAT [-o FILE [--force]] [--allow-wider] FILE",
        f"Write a policy in another form: {', '.join(f'{name} ({about.title})' for name, about in ABOUT.items())}. "
        "What the form cannot say is listed on standard error. "
        "Status 1: that would widen the policy, and nothing was written.",
    )
    _add_file_options(parser)
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--allow-wider", action="store_true", help="write even what permits more than the policy")
    options = _parsed(parser, words)
    (file,) = _one_file(options, parser)
    if options.also or options.var or os.path.isdir(file):
        policy, source = _policy(file, options), None
    else:
        from editor.policy.parse import format_of, parse_policy, read_text  # noqa: PLC0415

        text = read_text(file)
        source = Source(text, format_of(file, text))
        policy = parse_policy(text, file, source.format)
    exported = FORMATS[options.to](policy, source)
    wider = any(loss.widens for loss in exported.lost) and not options.allow_wider
    for loss in exported.lost:
        sys.stderr.write(f"paddock export: {'wider: ' if loss.widens else ''}{_shown(loss.what)}\n")
    if wider:
        sys.stderr.write("paddock export: nothing was written; --allow-wider writes it all the same.\n")
        return 1
    if options.output is None:
        sys.stdout.buffer.write(exported.text.encode())
        return 0
    from editor.workspace.saving import AlreadyThere, SymlinkedPolicy, write_new  # noqa: PLC0415

    try:
        saved = write_new(options.output, exported.text.encode(), overwrite=options.force)
    except AlreadyThere as error:
        raise UsageError(f"{error} --force replaces it.") from error
    except SymlinkedPolicy as error:
        raise UsageError(f"{error} Name the target itself.") from error
    for note in saved.notes:
        sys.stderr.write(f"paddock export: {_shown(note)}\n")
    return 0


def _diff(words: list[str]) -> int:
    parser = _parser(
        "diff",
        "[--abi N] [--exit-code] [--format text|json] A B",
        "What B allows here that A does not, and the other way round: by meaning, not by text. "
        "Status 0: the same, 1: they differ, 2: error.",
    )
    _add_file_options(parser)
    parser.add_argument("--abi", type=_abi_number, metavar="N", help="compare for this Landlock ABI")
    parser.add_argument("--exit-code", action="store_true", help="as for git diff; the status tells in any case")
    parser.add_argument("--format", choices=_FORMATS, default="text")
    options = _parsed(parser, words)
    a, b = _one_file(options, parser, following=1)
    from editor.analysis.compare import compared, compared_lines  # noqa: PLC0415
    from editor.cli.console import Console, prepare_streams  # noqa: PLC0415
    from editor.landlock.rights import LATEST_ABI  # noqa: PLC0415

    prepare_streams()
    result = compared(_policy(a, options), _policy(b, options), min(options.abi or LATEST_ABI, LATEST_ABI))
    if options.format == "json":
        _print_json(result.to_json())
    else:
        console = Console(sys.stdout)
        console.write(compared_lines(result, console))
    return 0 if result.comparison.same else 1


def _edit(words: list[str]) -> int:
    parser = _parser(
        "edit",
        "[options] FILE...|DIR|--sample NAME",
        "Open a policy on the screen; a new file is a new policy, and so is a sample. Several files are shown as the "
        "one policy that they make, and edited one by one.",
    )
    _add_file_options(parser)
    parser.add_argument("--root", default="/", metavar="DIR", help="where the tree of files starts (default: /)")
    parser.add_argument("--abi", type=_abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    options = _parsed(parser, words)
    sample = None
    if options.sample is not None:
        from editor.workspace.samples import sample_draft  # noqa: PLC0415

        # What was installed stays as it is: editing a sample begins a policy of one's own.
        sample = sample_draft(options.sample)
        options.sample = None
        options.words.insert(0, sample.path)
    paths = (*_files(options, parser), *options.also)
    variables = _variables(options) if options.var else {}
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise UsageError("the screen needs a terminal on standard input and output; the other verbs do not.")
    if not os.path.isdir(options.root):
        raise UsageError(f"{_shown(options.root)} is not a directory.")
    from editor.app import PaddockApp  # noqa: PLC0415

    app = PaddockApp(*paths, root=os.path.abspath(options.root), abi=options.abi, variables=variables, sample=sample)
    app.run()
    return app.return_code or 0


def _is_terminal(stream: object) -> bool:
    return bool(stream is not None and getattr(stream, "isatty", bool)())


def _print_json(data: object) -> None:
    import json  # noqa: PLC0415

    sys.stdout.write(json.dumps(data, indent=2) + "\n")


VERBS: dict[str, Callable[[list[str]], int]] = {
    "--help": _help,
    "--version": _version,
    "abi": _abi,
    "check": _check,
    "diff": _diff,
    "edit": _edit,
    "explain": _explain,
    "export": _export,
    "run": _run,
    "test": _test,
}
