"""The report of a run: one row per kind of access, with counts."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from editor.landlock.rights import RightSet, in_order
from editor.policy.model import RuleRef

Verdict = Literal["allowed", "denied", "failed", "uncontrolled"]
Mode = Literal["enforce", "observe", "ask"]
Observed = Literal["call", "audit"]

_NOT_LANDLOCK = (
    "neither the policy nor file permissions explain it, and the kernel's audit has no record of it: perhaps another"
    " security module refused it"
)


class Access(NamedTuple):
    """One kind of access that a program attempted, ``times`` times.

    ``path`` is what the program asked for, absolute; ``object_path`` is what the rights were checked on (for
    ``make_*``, ``remove_*`` and ``refer`` the directory). ``confirmed`` is the answer of the kernel's audit, None if it
    was not asked. ``reason`` is one sentence for the user, empty for a plain allowance. ``layer`` is the number of the
    policy that denied (1 is the oldest) if there are several, 0 otherwise. ``old_path`` is the name from which ``path``
    was renamed or linked within one directory; between two directories, each has its own row. ``made_in`` is given for
    a denied access to an object that the run itself made: the nearest directory above it that was there before.
    ``observed`` is "audit" for a denial that only the kernel's record shows, and no traced call: its ``syscall`` is
    empty if the kernel acted on its own, and ``process`` and ``pid`` may be those of an outsider whose call caused it.
    ``explained`` is false of what was refused as Landlock does although the policy grants it, and of what could not be
    looked up. ``of_command`` is true of a denied access to what /proc shows of the command's own (first) process.
    """

    verdict: Verdict
    rights: RightSet
    missing: RightSet
    path: str | None
    object_path: str | None
    port: int | None
    syscall: str
    errno: str | None
    process: str
    pid: int
    times: int
    decided_by: tuple[RuleRef, ...] = ()
    confirmed: bool | None = None
    reason: str = ""
    predicted: bool = False
    layer: int = 0
    old_path: str | None = None
    made_in: str | None = None
    observed: Observed = "call"
    explained: bool = True
    of_command: bool = False

    def key(self) -> tuple[object, ...]:
        """Return what makes two accesses the same row: everything but pid, count and confirmation."""
        return (
            self.verdict,
            self.rights,
            self.missing,
            self.path,
            self.object_path,
            self.port,
            self.syscall,
            self.errno,
            self.process,
            self.layer,
            self.old_path,
            self.made_in,
            self.observed,
            self.explained,
        )

    def settled(self) -> "Access":
        """Return the access as the audit's answer leaves it: without a record, Landlock denied nothing unexplained."""
        if self.explained or self.verdict != "denied" or self.confirmed is not False:
            return self
        return self._replace(verdict="failed", explained=True, confirmed=None, layer=0, reason=_NOT_LANDLOCK)

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``paddock test --format json`` prints for this access."""
        data: dict[str, Any] = {
            "verdict": self.verdict,
            "rights": in_order(self.rights),
            "missing": in_order(self.missing),
            "path": self.path,
            "object": self.object_path,
            "port": self.port,
            "syscall": self.syscall,
            "errno": self.errno,
            "process": self.process,
            "pid": self.pid,
            "count": self.times,
            "decided_by": [ref._asdict() for ref in self.decided_by],
            "confirmed": self.confirmed,
            "reason": self.reason,
            "predicted": self.predicted,
            "observed": self.observed,
            "explained": self.explained,
        }
        if self.layer:
            data["layer"] = self.layer
        if self.old_path is not None:
            data["old_path"] = self.old_path
        if self.made_in is not None:
            data["born"] = True
            data["made_in"] = self.made_in
        if self.of_command:
            data["of_command"] = True
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Access":
        """Return the access that ``to_json`` wrote."""
        return cls(
            verdict=data["verdict"],
            rights=frozenset(data["rights"]),
            missing=frozenset(data["missing"]),
            path=data["path"],
            object_path=data["object"],
            port=data["port"],
            syscall=data["syscall"],
            errno=data["errno"],
            process=data["process"],
            pid=data["pid"],
            times=data["count"],
            decided_by=tuple(RuleRef(**ref) for ref in data["decided_by"]),
            confirmed=data["confirmed"],
            reason=data["reason"],
            predicted=data["predicted"],
            layer=data.get("layer", 0),
            old_path=data.get("old_path"),
            made_in=data.get("made_in"),
            observed=data["observed"],
            explained=data.get("explained", True),
            of_command=data.get("of_command", False),
        )


class AbiUsed(NamedTuple):
    """The kernel's ABI, and the one that was enforced (lower with ``--abi``)."""

    kernel: int
    enforced: int


class Report(NamedTuple):
    """A whole run. ``exit_code`` is as in a shell (128+n for signal n); ``notes`` are messages for the user.

    ``layers`` are the files of the policies on top of ``policy``. ``denied_last`` are positions in ``accesses``: those
    that were denied last, in the order in which they last were, at most a hundred.
    """

    policy: str
    command: tuple[str, ...]
    mode: Mode
    abi: AbiUsed
    exit_code: int
    duration_s: float
    accesses: tuple[Access, ...]
    notes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    denied_last: tuple[int, ...] = ()

    @property
    def unexplained(self) -> int:
        """Count the denied accesses that the policy does not explain."""
        return sum(access.times for access in self.accesses if access.verdict == "denied" and not access.explained)

    def counts(self) -> dict[str, int]:
        """Count the accesses (not rows) by verdict."""
        totals = {"allowed": 0, "denied": 0, "failed": 0, "uncontrolled": 0}
        for access in self.accesses:
            totals[access.verdict] += access.times
        return totals


def listed_processes(processes: Sequence[tuple[int, str]], most: int = 5) -> str:
    """Return the first ``most`` processes, each an id and a name, for a message."""
    shown = [f"{name} ({pid})" for pid, name in processes[:most]]
    return ", ".join([*shown, *([f"and {len(processes) - most} more"] if len(processes) > most else [])])
