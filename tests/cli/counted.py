"""Run a verb as ``paddock`` does and count the lines of Python that it executes: ``python counted.py FILE WORD...``.

The counts of this process and of the tracer, if it starts one, are appended to FILE. A count ends where the process
becomes another program, so that ``paddock run`` can be counted, too.
"""

import atexit
import os
import sys
from types import FrameType
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def count(file: str) -> None:
    """Count from now until this process ends or executes another program."""
    lines = 0
    # Opened now: once a policy holds, it may not be possible any more.
    report = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    process = os.getpid()

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    def write() -> None:
        nonlocal report
        # A command under test starts as a copy of the tracer: its few lines do not matter.
        if report >= 0 and os.getpid() == process:
            os.write(report, f"{lines}\n".encode())
            report = -1  # execve(2) may be tried for each directory of PATH

    sys.addaudithook(lambda event, _: write() if event == "os.exec" else None)
    atexit.register(write)
    sys.settrace(trace)


def run(file: str, words: list[str]) -> int:
    """Run the verb, counted, and return its status."""
    from editor.sandbox import runner  # noqa: PLC0415 imported before counting

    # The tracer is started with this program text.
    here = os.path.dirname(os.path.abspath(__file__))
    counting = (
        f"import sys; sys.path.insert(0, {here!r}); from counted import count; count({file!r}); sys.path.pop(0); "
    )
    runner._BOOT = counting + runner._BOOT
    from editor.cli.main import main  # noqa: PLC0415

    count(file)
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
