"""Reads the kernel's own account of what Landlock denied: audit records, over netlink.

Listening needs CAP_AUDIT_READ, and turning audit on CAP_AUDIT_CONTROL, in the initial user and network namespace.
Sources: include/uapi/linux/audit.h (numbers, structures), security/landlock/audit.c (records), kernel/audit.c
(audit_log_untrustedstring writes names with unusual bytes as hexadecimal digits without quotes).
"""

import contextlib
import errno
import os
import re
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple

from editor.landlock.rights import KINDS, RightSet
from editor.sandbox.verdicts.audit_switch import AuditState, AuditSwitch

_NETLINK_AUDIT = 9
_GROUP_READLOG = 1
_AUDIT_GET = 1000
_AUDIT_SET = 1001
_SYSCALL = 1300
_LANDLOCK_ACCESS = 1423
_LANDLOCK_DOMAIN = 1424
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_STATUS_ENABLED = 1
_STATUS_BACKLOG_LIMIT = 0x10
_BACKLOG_LIMIT = 8192  # the default of 64 loses records in a burst
_BUFFER_BYTES = 16 << 20
_SO_RCVBUFFORCE = 33
_MAX_KEPT = 50_000
# A setting of the machine, not of a namespace: net/core/sysctl_net_core.c.
_NETWORK_SETTINGS, _IN_THE_FIRST_ONLY = "/proc/sys/net/core", "dev_weight"
_HEADER = struct.Struct("=IHHII")
_STATUS = struct.Struct("=9I")  # mask, enabled, failure, pid, rate_limit, backlog_limit, lost, backlog, features

_EVENT = re.compile(r"audit\(([\d.]+):(\d+)\): ?")
_FIELD = re.compile(r'(\w+)=("[^"]*"|\S*)')
_NAMES = frozenset({"path", "comm", "ocomm", "exe", "name", "dev"})


class Denial(NamedTuple):
    """One denial as the kernel recorded it.

    ``blockers`` are the names of rights and scopes without their kind (``read_file``), or ``change_topology`` or
    ``ptrace``; those of a kind that is unknown here keep it (``namespace.use``). ``path`` is the object, None if it is
    not a file; ``port`` is a socket's. ``pid``, ``comm``, ``call`` (a number of the instruction set ``arch``) and
    ``result`` are those of the system call; they are 0, empty and None until its record arrives, which never happens
    for what the kernel does on its own. ``domain`` is Landlock's number of the domain that denied, in hexadecimal
    digits. ``target`` is the process that a signal or tracing was meant for, 0 if there is none, and ``target_comm``
    its name.
    """

    serial: int
    domain: str
    blockers: RightSet
    path: str | None
    dev: str
    ino: int
    port: int | None
    pid: int
    comm: str
    call: int | None
    result: int | None
    target: int = 0
    target_comm: str = ""
    arch: int = 0

    @property
    def process(self) -> str:
        """The target as the report shows it; empty if there is none."""
        return f"process {self.target} ({self.target_comm})" if self.target else ""


class _Call(NamedTuple):
    """What the record of a system call adds to a denial."""

    pid: int
    comm: str
    call: int | None
    result: int | None
    arch: int

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "_Call":
        return cls(
            _number(values.get("pid")) or 0,
            values.get("comm", ""),
            _number(values.get("syscall")),
            _number(values.get("exit")),
            _number(values.get("arch"), 16) or 0,
        )


class Domain(NamedTuple):
    """A domain that was created or freed.

    ``pid`` is the process that entered it; ``denials`` is their total, known once the domain is freed.
    """

    domain: str
    pid: int
    denials: int | None


class Fields(NamedTuple):
    """One parsed record: its event's serial number, and its fields as text."""

    serial: int
    values: dict[str, str]


class AuditUnavailable(OSError):
    """The kernel's audit cannot be read here; the text says why."""


class AuditInOtherNamespace(AuditUnavailable):
    """The kernel's audit is on, but its records go to another network namespace."""


def parse_fields(payload: bytes) -> Fields | None:
    """Parse a record's text; return None if it is not a record. Never raises."""
    text = os.fsdecode(payload.rstrip(b"\0\n"))
    event = _EVENT.match(text)
    if event is None:
        return None
    return Fields(int(event[2]), named_fields(text[event.end() :]))


def named_fields(text: str) -> dict[str, str]:
    """Return the fields of a record's text after ``audit(...):``, the first of each name, decoded. Never raises."""
    values: dict[str, str] = {}
    for name, value in _FIELD.findall(text):
        values.setdefault(name, _plain(name, value))
    return values


def _plain(name: str, value: str) -> str:
    if value.startswith('"'):
        return value[1:-1]
    if name in _NAMES and len(value) % 2 == 0:
        with contextlib.suppress(ValueError):
            return os.fsdecode(bytes.fromhex(value))
    return value


def _number(text: str | None, base: int = 10) -> int | None:
    try:
        return int(text, base) if text is not None else None
    except ValueError:
        return None


def blocked_rights(blockers: str) -> RightSet:
    """Return the names in a record's field ``blockers``, as in ``Denial``."""
    return frozenset(map(_without_known_kind, blockers.split(",")))


def _without_known_kind(blocker: str) -> str:
    kind, _, name = blocker.partition(".")
    return name if kind in KINDS and name else blocker


def parse_denial(payload: bytes) -> Denial | None:
    """Parse a LANDLOCK_ACCESS record (type 1423), without what its SYSCALL record adds; None if it is none."""
    fields = parse_fields(payload)
    if fields is None or "blockers" not in fields.values:
        return None
    values = fields.values
    blockers = blocked_rights(values["blockers"])
    port = _number(values.get("dest", values.get("src")))
    path = values.get("path")
    return Denial(
        fields.serial, values.get("domain", ""), blockers, path, values.get("dev", ""), _number(values.get("ino")) or 0,
        port, 0, "", None, None, _number(values.get("opid")) or 0, values.get("ocomm", ""),
    )  # fmt: skip


def parse_domain(payload: bytes) -> Domain | None:
    """Parse a LANDLOCK_DOMAIN record (type 1424); None if it is none."""
    fields = parse_fields(payload)
    if fields is None or "status" not in fields.values:
        return None
    values = fields.values
    return Domain(values.get("domain", ""), _number(values.get("pid")) or 0, _number(values.get("denials")))


class AuditReader:
    """Listens to the kernel's audit until closed.

    With ``enable``, audit is turned on if it was off, and off again when no other reader needs it. Raises
    AuditUnavailable if it may not be read, or is off and ``enable`` is False. ``lost`` becomes True once a record was
    dropped for lack of space.
    """

    def __init__(self, *, enable: bool) -> None:
        self.lost = False
        self.denials: list[Denial] = []
        self.domains: dict[str, Domain] = {}
        self._serials: set[int] = set()
        self._calls: dict[int, _Call] = {}
        self._switch: AuditSwitch | None = None
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT)
        except OSError as error:
            raise AuditUnavailable(error.errno, f"the kernel has no audit: {error.strerror}") from error
        try:
            self._open(enable=enable)
        except OSError as error:
            self._socket.close()
            if isinstance(error, AuditUnavailable):
                raise
            raise AuditUnavailable(error.errno, f"the kernel's audit cannot be read: {error.strerror}") from error

    def _open(self, *, enable: bool) -> None:
        with contextlib.suppress(OSError):  # without CAP_NET_ADMIN the buffer keeps its size
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        status = self._status()
        self._lost_before = status[6]
        if not status[1] and not enable:
            raise AuditUnavailable(errno.ENODATA, "the kernel's audit is off")
        # Any namespace may listen, but records only go to the initial one (kauditd_send_multicast_skb).
        if os.path.isdir(_NETWORK_SETTINGS) and not os.path.exists(f"{_NETWORK_SETTINGS}/{_IN_THE_FIRST_ONLY}"):
            raise AuditInOtherNamespace(
                errno.ENETUNREACH, "the kernel sends audit records to the initial network namespace only"
            )
        self._socket.bind((0, _GROUP_READLOG))
        self._socket.setblocking(False)
        if enable:
            self._switch = AuditSwitch(self._state, self._set, _BACKLOG_LIMIT)

    def __enter__(self) -> "AuditReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and restore the former state of audit."""
        if self._switch is not None:
            switch, self._switch = self._switch, None
            with contextlib.suppress(OSError):
                switch.release()
        self._socket.close()

    def fileno(self) -> int:
        """Return a descriptor that is readable when records have arrived."""
        return self._socket.fileno()

    def _request(self, kind: int, payload: bytes, flags: int) -> bytes:
        """Send one request on a socket of its own, which receives no records. Raises OSError."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT) as asking:
            asking.settimeout(5)
            asking.send(_HEADER.pack(_HEADER.size + len(payload), kind, _NLM_F_REQUEST | flags, 1, 0) + payload)
            while True:
                answer = asking.recv(8192)
                _, answered, _, _, _ = _HEADER.unpack_from(answer)
                if answered == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    if kind == _AUDIT_SET:
                        return b""
                if answered == kind:
                    return answer[_HEADER.size :]

    def _status(self) -> tuple[int, ...]:
        return _STATUS.unpack_from(self._request(_AUDIT_GET, b"", 0))

    def _state(self) -> AuditState:
        _mask, enabled, _failure, daemon, _rate, backlog_limit, *_ = self._status()
        return AuditState(enabled, backlog_limit, daemon)

    def _set(self, state: AuditState) -> None:
        mask = _STATUS_ENABLED | _STATUS_BACKLOG_LIMIT
        self._request(_AUDIT_SET, _STATUS.pack(mask, state.enabled, 0, 0, 0, state.backlog_limit, 0, 0, 0), _NLM_F_ACK)

    def read(self) -> None:
        """Read the records that have arrived, without waiting."""
        while True:
            try:
                message = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True
                continue
            self._handle_record(struct.unpack_from("=IH", message)[1], message[_HEADER.size :])

    def _handle_record(self, kind: int, payload: bytes) -> None:
        if kind == _LANDLOCK_ACCESS:
            denial = parse_denial(payload)
            if denial is not None and len(self.denials) < _MAX_KEPT:
                self.denials.append(denial)
                self._serials.add(denial.serial)
            elif denial is not None:
                self.lost = True
        elif kind == _LANDLOCK_DOMAIN:
            domain = parse_domain(payload)
            if domain is not None:
                known = self.domains.get(domain.domain)
                self.domains[domain.domain] = domain._replace(pid=domain.pid or (known.pid if known else 0))
        elif kind == _SYSCALL:
            fields = parse_fields(payload)
            # Records of other processors may come between those of one event.
            if fields is not None and fields.serial in self._serials:
                self._calls[fields.serial] = _Call.of(fields.values)

    def has_lost_records(self) -> bool:
        """Return whether records were lost since this reader was created. Raises OSError if audit cannot be asked."""
        return self.lost or self._status()[6] != self._lost_before

    def was_turned_off(self) -> bool:
        """Return whether something else has turned audit off since. Raises OSError if audit cannot be asked."""
        return not self._status()[1]

    def is_complete(self, pid: int) -> bool:
        """Return whether the domain of ``pid`` is gone, and all denials that the kernel counted were read."""
        ours = [domain for domain in self.domains.values() if domain.pid == pid]
        return bool(ours) and all(
            domain.denials == sum(denial.domain == domain.domain for denial in self.denials) for domain in ours
        )

    def counted(self, pid: int) -> int | None:
        """Return how often the kernel denied something in the domain of ``pid``; None before that domain is gone."""
        ours = [domain.denials for domain in self.domains.values() if domain.pid == pid]
        known = [number for number in ours if number is not None]
        return sum(known) if known and len(known) == len(ours) else None

    def denials_of(self, pid: int) -> list[Denial]:
        """Return what was denied in the domain of process ``pid``, with the system calls as far as known."""
        ours = {name for name, domain in self.domains.items() if domain.pid == pid}
        return [self._with_call(denial) for denial in self.denials if denial.domain in ours]

    def _with_call(self, denial: Denial) -> Denial:
        call = self._calls.get(denial.serial)
        if call is None:
            return denial
        return denial._replace(**call._asdict())
