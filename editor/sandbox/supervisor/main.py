"""The process that supervises a run; the runner starts it as it does the one that traces."""

from editor.sandbox.supervisor.supervisor import Supervisor
from editor.sandbox.tracing import main as tracing


def main(arguments: list[str]) -> int:
    """Supervise one run from its request to its last event."""
    return tracing.main(arguments, Supervisor)
