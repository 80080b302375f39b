"""The process that traces a run.

The runner starts it with three descriptors: the request (``wire.Spec``, read to its end), events (JSON lines out), and
control (``stop`` and answers come in; a hang-up means that the caller is gone).
"""

import ctypes
import fcntl
import gc
import os
import signal
from typing import Any

from editor.landlock import kernel
from editor.sandbox.channel import Channel
from editor.sandbox.tracing.child import NotStarted
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.tracing.tracer import Tracer, failed
from editor.sandbox.wire import Spec

_PR_SET_PDEATHSIG = 1


def _problem_of_proc() -> str:
    """Return why /proc cannot tell about the processes of this PID namespace, empty if it can.

    Their names, descriptors and directories are read there: from another namespace's, they would be those of strangers.
    """
    try:
        shown = os.readlink("/proc/self")
    except OSError:
        return "/proc is not mounted, and without it Paddock cannot see what a program does"
    if shown != str(os.getpid()):
        return "/proc belongs to another PID namespace; mount this one's (mount -t proc proc /proc)"
    return ""


def _run(tracer: Tracer) -> dict[str, Any]:
    """Run the command to its end; return the last event."""
    try:
        tracer.prepare()
        tracer.start()
        tracer.run()
    except NotStarted as error:
        return tracer.not_started(error.code, str(error))
    except kernel.LandlockError as error:
        return tracer.not_started(125, error.strerror or str(error))
    except OSError as error:
        return tracer.not_started(125, str(error))
    else:
        return tracer.outcome()
    finally:
        tracer.close()


def main(arguments: list[str], make: type[Tracer] = Tracer) -> int:
    """Watch one run from its request to its last event. The exit status only says whether the watching itself worked.

    ``make`` is the class of what watches it.
    """
    request, events, control = (int(argument) for argument in arguments)
    for descriptor in (request, events, control):
        os.set_inheritable(descriptor, False)
    signals = TracerSignals()
    gc.set_threshold(200_000, 50, 50)  # almost nothing here is cyclic, and a full collection visits all rows
    os.set_blocking(control, False)
    fcntl.fcntl(control, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(control, fcntl.F_SETFL, fcntl.fcntl(control, fcntl.F_GETFL) | os.O_ASYNC)
    channel = Channel(events, control)
    with open(request, encoding="ascii") as file:
        spec = Spec.from_text(file.read())
    for descriptor in (spec.stdin, spec.stdout, spec.stderr):
        os.set_inheritable(descriptor, False)
    if spec.die_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    problem = _problem_of_proc()
    channel.finish(failed(125, problem) if problem else _run(make(spec, channel, control, signals)))
    return 0
