"""How many decisions per second a warm decider makes."""

import json
import tempfile
import time
from pathlib import Path

from editor.evaluation.decider import Decider
from editor.evaluation.resolve import resolve
from editor.policy.parse import parse_policy
from tests.benchmarks.report import Row

_RULES = 1_000
_DECISIONS = 200_000  # in at most one second
_ROUNDS = 5


def measure() -> Row:
    """Measure the processor time of 200,000 decisions on the files of 1,000 rules, the best of several rounds."""
    rights = frozenset({"read_file"})
    with tempfile.TemporaryDirectory() as name:
        files = [str(Path(name, str(number))) for number in range(_RULES)]
        for file in files:
            Path(file).touch()
        rules = [{"allowedAccess": sorted(rights), "parent": [file]} for file in files]
        text = json.dumps({"ruleset": [{"handledAccessFs": sorted(rights)}], "pathBeneath": rules})
        decider = Decider(resolve(parse_policy(text, "policy.json", "json")), 6)
        seconds = []
        for _ in range(_ROUNDS):
            began = time.process_time()
            for _ in range(_DECISIONS // _RULES):
                for file in files:
                    decider.file(file, rights)
            seconds.append(time.process_time() - began)
    return Row(f"decide {_DECISIONS:,} times", "a second", 1.0, min(seconds), 1.0)
