"""``python -m tests.fuzz``: find inputs on which reading or editing policies fails or hangs."""

import argparse
import os
import resource
import sys

from tests.fuzz.fuzzer import Fuzzer

_LIMIT_S = 10  # per target and input; a hundredth is usual
_MEMORY = 2 << 30


def main() -> int:
    """Run the fuzzer. The exit status is 1 if it found something; the inputs are then in the printed directory."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="fuzz-findings", metavar="DIR", help="where inputs go that show something")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    fuzzer = Fuzzer(options.seed, limit=_LIMIT_S)
    fuzzer.run(seconds=options.seconds)
    print(
        f"{fuzzer.executions} executions, {fuzzer.policies} inputs that were policies, "
        f"{len(fuzzer.corpus)} inputs kept, {len(fuzzer.findings)} findings"
    )
    for slow in fuzzer.slowest:
        print(f"  slowest: {slow.seconds:.2f} s in {slow.target} with {len(slow.data)} bytes")
    for number, found in enumerate(fuzzer.findings.values()):
        os.makedirs(options.keep, exist_ok=True)
        for suffix, data in (("", found.data), (".other", found.other)):
            with open(os.path.join(options.keep, f"{number}-{found.target}{suffix}"), "wb") as file:
                file.write(data)
        print(f"\n{number}: {found.target}: {found.what}\n{found.trace}")
    return 1 if fuzzer.findings else 0


if __name__ == "__main__":
    sys.exit(main())
