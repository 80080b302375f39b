"""``paddock tighten``: take from a policy what nothing used, as reports show it or runs of a command prove it."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import (
    FORMATS,
    UsageError,
    check_layers,
    new_parser,
    parse,
    shown,
    split_command,
    variables_of,
)
from editor.cli.rewriting import difference_lines, read_document, write_document
from editor.cli.running import RunOptions, add_run_options, count, follow, request_of, run_options_of
from editor.cli.text import access_text, say
from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.abi import probe
from editor.landlock.rights import in_order, listed
from editor.policy.compose import Variables, load
from editor.sandbox.runner import start
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest import score
from editor.suggest.logs.reading import LogError, read_log
from editor.suggest.proving import Proof, Trial, brought_about, prove
from editor.suggest.score import Score
from editor.suggest.tightening import Step, Tightening, tighten, tightened
from editor.suggest.usage import Recorded, made_by
from editor.workspace.saving import read_file


class TightenRequest(NamedTuple):
    """What to tighten, and by what: recorded reports, a command that runs as ``options`` say, or both."""

    document: PolicyDocument
    reports: tuple[Recorded, ...]
    command: tuple[str, ...]
    options: RunOptions
    runs: int
    variables: Variables


class Tightened(NamedTuple):
    """The policy before and after, the steps between, and how they were found and proven in ``runs`` runs.

    ``proof`` is None if no command was given, ``before`` and ``after`` say how much is granted, ``used`` how much of it
    was used.
    """

    document: PolicyDocument
    result: PolicyDocument
    found: Tightening
    steps: tuple[Step, ...]
    proof: Proof | None
    runs: int
    before: Score
    after: Score
    used: Score


def main(words: list[str]) -> int:
    """Tighten one policy; status 0 if there is nothing (left) to tighten, 1 with proposals, 2 for an error."""
    words, command = split_command(words)
    parser = new_parser(
        "tighten",
        "[options] FILE REPORT... | [options] FILE [REPORT...] -- COMMAND [ARGUMENT]...",
        "Find what nothing used of a policy: rules, paths, ports and rights, and directories of which only a part was "
        "used. What was used is told by reports of paddock test --format json, or by COMMAND. It runs SEVERAL TIMES: "
        "under FILE, then under the tightened policy, until it ends as before and is denied nothing more. What takes "
        "that away is taken back. Nothing is written without --apply. Status 0: nothing to tighten, or all was "
        "applied, 1: there are proposals, 2: error.",
    )
    parser.add_argument("words", nargs="*", metavar="FILE REPORT", help="a policy, and reports of runs under it")
    parser.add_argument("--apply", action="store_true", help="write the tightened policy to FILE")
    parser.add_argument(
        "--runs", type=count, default=12, metavar="N", help="run the command at most N times (default 12)"
    )
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="set a variable for this run")
    add_run_options(parser)
    parser.add_argument("--format", choices=FORMATS, default="text")
    options = parse(parser, words)
    check_layers(options, parser)
    if not options.words:
        parser.error("no policy file given")
    file, *reports = options.words
    if not (reports or command):
        parser.error("nothing tells what was used: give reports, or a command after --")
    prepare_streams()
    variables = variables_of(options.var)
    request = TightenRequest(
        read_document(file, variables), tuple(map(_read_report, reports)), command, run_options_of(options),
        options.runs, variables,
    )  # fmt: skip
    found = run_tighten(request)
    if options.apply and found.steps:
        write_document(found.document, found.result, "tighten")
    if options.format == "json":
        print_json(_to_json(found, applied=options.apply))
    else:
        console = Console(sys.stdout)
        console.write(tightening_lines(found, console, applied=options.apply))
    return 1 if found.steps and not options.apply else 0


def _read_report(path: str) -> Recorded:
    data = read_file(path)
    if data is None:
        raise FileNotFoundError(2, os.strerror(2), path)
    try:
        log = read_log(data)
    except LogError as error:
        raise UsageError(f"{shown(path)}: {error}") from error
    if log.source != "report":
        raise UsageError(f"{shown(path)} is not a report of Paddock, so it does not say what was allowed.")
    return Recorded(log.accesses, _enforced_abi(data))


def _enforced_abi(data: bytes) -> int | None:
    """Return the ABI of a report, which its object has, or in JSON lines the last one."""
    text = data.decode(errors="surrogateescape")
    for candidate in (text, text.rstrip().rpartition("\n")[2]):
        try:
            enforced = json.loads(candidate)["abi"]["enforced"]
        except (ValueError, KeyError, TypeError):
            continue
        return enforced if isinstance(enforced, int) else None
    return None


def run_tighten(request: TightenRequest) -> Tightened:
    """Tighten as ``request`` says. Raises UsageError if the command cannot run, EditError, PolicyError, OSError."""
    document = request.document
    resolved = resolve(document.bound)
    trials = _Trials(request, resolved) if request.command else None
    recorded = request.reports
    if trials is not None:
        recorded = (*recorded, *trials.recorded)
    proof = None
    if trials is None:
        found = tighten(document, resolved, recorded)
        steps = tuple(step for step in found.steps if not step.must_be_tried)
    else:
        abi = trials.report.abi.enforced

        def find(needed: tuple[Access, ...]) -> Tightening:
            return tighten(document, resolved, (*recorded, Recorded(needed, abi)))

        proof = prove(lambda needed: find(needed).steps, trials.attempt, max(0, request.runs - trials.runs))
        found, steps = find(proof.needed), proof.steps
    try:
        result = tightened(document, steps)
    except EditError as error:
        raise UsageError(str(error)) from error
    return Tightened(
        document, result, found, steps, proof, trials.runs if trials is not None else 0,
        score.granted(resolved), score.granted(resolve(result.bound)), score.used(found.usage),
    )  # fmt: skip


class _Trials:
    """Runs the command: first under the policy as it is, then under tightened ones.

    A command that made files runs a second time under the policy as it is, since it may treat them differently once
    they are there. ``recorded`` is what these runs show, ``report`` the last of them.
    """

    def __init__(self, request: TightenRequest, resolved: ResolvedPolicy) -> None:
        if not probe().abi:
            raise UsageError("this kernel has no Landlock, so nothing can be tried: give reports instead.")
        self.request = request
        self.resolved = resolved
        self.layers = tuple(resolve(load((path,), request.variables)) for path in request.options.layers)
        self.runs = 0
        self.report = self._run(resolved, "as it is")
        if failed := [note for note in self.report.notes if note.startswith("The command was not started")]:
            raise UsageError(failed[0])
        if not self.report.accesses and not self.report.duration_s:
            raise UsageError(" ".join(self.report.notes) or "The command did not run.")
        self.recorded = [Recorded(self.report.accesses, self.report.abi.enforced)]
        if made_by(self.report.accesses) and request.runs > 1:
            self.report = self._run(resolved, "as it is, with what it left behind")
            self.recorded.append(Recorded(self.report.accesses, self.report.abi.enforced))
        self.decider = Decider(resolved, self.report.abi.enforced)

    def attempt(self, steps: tuple[Step, ...]) -> Trial:
        """Run the command with ``steps`` taken, and say if it went as the first time."""
        try:
            document = tightened(self.request.document, steps)
        except EditError as error:
            return Trial(False, (), str(error))
        report = self._run(resolve(document.bound), f"with {len(steps)} step{'s' if len(steps) != 1 else ''}")
        layer = 1 if self.layers else 0
        denied = [each for each in report.accesses if each.verdict == "denied" and each.layer == layer]
        brought = brought_about(denied, self.decider)
        as_before = report.exit_code == self.report.exit_code
        problem = "" if as_before else f"exit status {report.exit_code} instead of {self.report.exit_code}"
        return Trial(as_before and not brought, brought, problem or "denied " + ", ".join(map(access_text, brought)))

    def _run(self, resolved: ResolvedPolicy, how: str) -> Report:
        self.runs += 1
        _say([f"run {self.runs} of at most {self.request.runs}, under {self.request.document.file} {how}"])
        request = request_of(
            (resolved, *self.layers), self.request.command, "enforce", self.request.options, alone=True
        )
        report, interrupted = follow(start(request), "tighten")
        if interrupted:
            raise KeyboardInterrupt
        if self.runs == 1:
            _say(f"note: {note}" for note in report.notes)
        return report


def _say(lines: Iterable[str]) -> None:
    say("tighten", lines)


def tightening_lines(found: Tightened, console: Console, *, applied: bool) -> list[str]:
    """Return the steps, what was taken back, the difference to the file, and the score, as lines."""
    file = printable(found.document.file)
    lines = list(_remarks(found))
    if not found.steps:
        lines.append(f"{file}: {console.paint('nothing to tighten', 'allowed')}")
    else:
        number = len(found.steps)
        proven = f", proven in {found.runs} runs" if found.proof is not None else ""
        heading = f"{file}: {number} step{'s' if number != 1 else ''} to tighten it{proven}"
        lines.append(console.paint(heading, "bold"))
        lines += columns([_row(file, step) for step in found.steps])
    if found.proof is not None and found.proof.needed:
        lines += ["", console.paint("Granted still, because a run was denied it:", "bold")]
        lines += [f"  {printable(each)}" for each in dict.fromkeys(map(access_text, found.proof.needed))]
    if found.proof is not None and found.proof.taken_back:
        lines += ["", console.paint("Taken back:", "bold")]
        for step, why in found.proof.taken_back:
            lines += [*columns([_row(file, step)]), f"    {printable(why)}"]
    if found.steps:
        lines += ["", *difference_lines(found.document, found.result, console)]
        lines += ["", f"{'Written to' if applied else 'Not written; --apply writes it to'} {file}."]
    lines += columns(
        [["granted before", str(found.before)], ["granted after", str(found.after)], ["used", str(found.used)]],
        indent="",
    )
    return lines


def _row(file: str, step: Step) -> list[str]:
    return [f"{file}:{step.ref.line}", step.sentence]


def _remarks(found: Tightened) -> Iterator[str]:
    """Yield what to know about the reports, as sentences."""
    usage = found.found.usage
    if usage.anew:
        yield (
            f"The reports are of another version of {printable(found.document.file)}, or were made elsewhere: "
            f"{usage.anew} of their accesses were judged anew."
        )
    if usage.denied:
        yield f"{usage.denied} of them are not allowed by it as it is now."
    if usage.unseen & (found.document.policy.handled_fs | found.document.policy.handled_net):
        yield f"The reports do not tell if these rights were used, so they stay: {listed(usage.unseen)}."
    if found.proof is None and any(step.must_be_tried for step in found.found.steps):
        yield "Whether signals stay inside the sandbox only a command tells: paddock tighten FILE -- COMMAND."


def _to_json(found: Tightened, *, applied: bool) -> dict[str, Any]:
    usage = found.found.usage
    return {
        "policy": found.document.file,
        "steps": [_step_json(step) for step in found.steps],
        "needed": [_need_json(access) for access in found.proof.needed] if found.proof is not None else [],
        "taken_back": (
            [{**_step_json(step), "why": printable(why)} for step, why in found.proof.taken_back]
            if found.proof is not None
            else []
        ),
        "runs": found.runs,
        "judged_anew": usage.anew,
        "not_allowed": usage.denied,
        "score": {
            name: {"files": each.files, "more": each.more, "rights": each.rights}
            for name, each in (("before", found.before), ("after", found.after), ("used", found.used))
        },
        "applied": applied and bool(found.steps),
        "text": found.result.text,
    }


def _need_json(access: Access) -> dict[str, Any]:
    return {
        "rights": in_order(access.missing or access.rights),
        "object": access.object_path,
        "port": access.port,
        "process": access.process,
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "line": step.ref.line,
        "rights": in_order(step.rights),
        "instead": [{"paths": list(each.paths), "rights": in_order(each.rights)} for each in step.instead],
        "sentence": step.sentence,
    }
