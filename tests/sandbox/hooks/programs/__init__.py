"""The programs: one for each way, with the policy that denies it.

A program returns nothing if what it tried was done, and raises OSError if the kernel refused it. ``Dropped`` is raised
for what the kernel drops without an error. ``main`` takes HOOK WAY PATH OUTSIDER, and prints what came out.
"""

import errno
import json
import sys

# Importing these lists their programs.
from tests.sandbox.hooks.programs import files, indirect, opening, processes, signals, sockets  # noqa: F401
from tests.sandbox.hooks.programs.registry import PROGRAMS, Dropped, Program
from tests.sandbox.hooks.system import Missing, Place

__all__ = ["PROGRAMS", "Program", "attempt", "main"]


def attempt(hook: str, way: str, place: Place) -> str:
    """Run one program; return its result as JSON: an errno, "done", "dropped", or what is missing."""
    try:
        PROGRAMS[hook, way].run(place)
        result: dict[str, object] = {"result": "done"}
    except Dropped:
        result = {"result": "dropped"}
    except OSError as error:
        result = {"result": errno.errorcode.get(error.errno or 0, str(error))}
    except Missing as error:
        result = {"result": "missing", "missing": str(error)}
    return json.dumps(result)


def main() -> None:
    """Run one program, and print its result."""
    hook, way, path, outsider = sys.argv[1:]
    print(attempt(hook, way, Place(path, int(outsider))), flush=True)
