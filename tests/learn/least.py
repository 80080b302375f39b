"""Take out each rule of each learned policy: ``python -m tests.learn.least [PROGRAM]...``.

For each program it learns a policy, tightens it, and runs the program without one rule after the other. A rule counts
as needed if the program then ends otherwise, or is denied what it was not denied before. The rest is listed.
"""

import re
import subprocess
import sys

from editor.editing.document import PolicyDocument
from editor.editing.edits import SetRuleRights
from editor.landlock.rights import NO_RIGHTS, in_order
from editor.sandbox.verdicts.report import Access
from tests.learn.learning import Tried, attempt, learn, tighten
from tests.learn.programs import PROGRAMS
from tests.proof.stage import Stage

_LIMIT_S = 45
_PROCESS = re.compile(r"/proc/[0-9]+(?=/|$)")  # has another number in each run


def main(words: list[str]) -> None:
    """Measure the programs that ``words`` name, or all."""
    rules = ends = denied = 0
    with Stage.opened() as stage:
        for program in PROGRAMS:
            if words and program.name not in words:
                continue
            outcome = learn(stage, program)
            text, said = tighten(stage, program, outcome.text)
            whole = attempt(stage, program, text)
            document = PolicyDocument.parse(text, "learned.toml", "toml")
            parts = _rules(document)
            kept = "as before" if whole.exit_code == outcome.tried.exit_code else f"BROKEN by tightening:\n{said}"
            print(f"{program.name}: {outcome.rules} rules, {len(parts)} after tightening, {kept}", flush=True)
            for name, edit in parts:
                rules += 1
                try:
                    tried = attempt(stage, program, document.apply(edit).text, limit=_LIMIT_S)
                except subprocess.TimeoutExpired:  # it waits for what was denied
                    ends += 1
                    continue
                if tried.exit_code != whole.exit_code:
                    ends += 1
                elif _more_denied(whole, tried):
                    denied += 1
                    print(f"  only denied without {name}", flush=True)
                else:
                    print(f"  NOT NEEDED: {name}", flush=True)
    print(
        f"{rules} rules: without {ends} the program ends otherwise, without {denied} more it is denied what it used, "
        f"{rules - ends - denied} are not needed"
    )


def _rules(document: PolicyDocument) -> list[tuple[str, SetRuleRights]]:
    """Return each rule as words, with the edit that removes it."""
    found = []
    for number, rule in enumerate(document.policy.path_rules):
        paths = [parent.template for parent in rule.parents]
        name = f"{', '.join(in_order(rule.rights))} on {paths[0]}{f' and {len(paths) - 1} more' if paths[1:] else ''}"
        found.append((name, SetRuleRights("path_beneath", number, NO_RIGHTS)))
    for number, port_rule in enumerate(document.policy.port_rules):
        ports = ", ".join(str(each.port) for each in port_rule.ports)
        name = f"{', '.join(in_order(port_rule.rights))} on {ports}"
        found.append((name, SetRuleRights("net_port", number, NO_RIGHTS)))
    return found


def _more_denied(whole: Tried, tried: Tried) -> bool:
    return not _denials(tried) <= _denials(whole)


def _denials(tried: Tried) -> set[tuple[object, ...]]:
    return set(map(_kind, tried.denied))


def _kind(access: Access) -> tuple[object, ...]:
    return access.missing, _PROCESS.sub("/proc/self", access.object_path or ""), access.port


if __name__ == "__main__":
    main(sys.argv[1:])
