"""Print what learning makes of each program: ``python -m tests.learn [-v] [PROGRAM]...``."""

import sys
import time

from tests.learn.learning import learn
from tests.learn.programs import PROGRAMS
from tests.proof.stage import Stage


def main(words: list[str]) -> None:
    """Learn the programs that ``words`` name, or all."""
    detailed = "-v" in words
    names = [word for word in words if word != "-v"]
    counts = []
    with Stage.opened() as stage:
        for program in PROGRAMS:
            if names and program.name not in names:
                continue
            began = time.monotonic()
            outcome = learn(stage, program)
            counts.append(outcome.rules)
            paths = sum(len(rule.parents) for rule in outcome.policy.path_rules)
            statuses = f"status {outcome.bare} -> {outcome.exit_code} -> {outcome.tried.exit_code}"
            print(
                f"{program.name:12} {outcome.runs} runs, {outcome.rules:2} rules, {paths:3} paths, {statuses},"
                f" {len(outcome.tried.denied)} denied, {time.monotonic() - began:.1f} s",
                flush=True,
            )
            if detailed:
                print(outcome.said, outcome.text, outcome.tried.output, sep="\n")
                for access in outcome.tried.denied:
                    print("denied:", *sorted(access.missing), access.object_path or access.port, access.process)
    print(f"median {sorted(counts)[len(counts) // 2]} rules")


if __name__ == "__main__":
    main(sys.argv[1:])
