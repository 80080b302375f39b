"""Ways to look into or trace another process."""

import errno
import os
import struct

from tests.sandbox.hooks.programs.executing import run_program
from tests.sandbox.hooks.programs.registry import ANY_RIGHT, Run, way
from tests.sandbox.hooks.system import Missing, Place, address, buffer, syscall


@way("ptrace_access_check", "PTRACE_ATTACH", *ANY_RIGHT)
def _attach(place: Place) -> object:
    return syscall("ptrace", 16, place.outsider, 0, 0)


@way("ptrace_access_check", "PTRACE_SEIZE", *ANY_RIGHT)
def _seize(place: Place) -> object:
    return syscall("ptrace", 0x4206, place.outsider, 0, 0)


@way("ptrace_traceme", "PTRACE_TRACEME", *ANY_RIGHT)
def _traceme(_place: Place) -> object:
    return syscall("ptrace", 0, 0, 0, 0)


def _copy_memory(name: str, target: int) -> None:
    part = struct.pack("=QQ", address(buffer(bytes(8))), 8)
    try:
        syscall(name, target, part, 1, part, 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:  # the address means nothing to the other, which is found out later
            raise


@way("ptrace_access_check", "process_vm_readv", *ANY_RIGHT)
def _process_vm_readv(place: Place) -> None:
    _copy_memory("process_vm_readv", place.outsider)


@way("ptrace_access_check", "process_vm_writev", *ANY_RIGHT)
def _process_vm_writev(place: Place) -> None:
    _copy_memory("process_vm_writev", place.outsider)


@way("ptrace_access_check", "process_madvise", *ANY_RIGHT)
def _process_madvise(place: Place) -> None:
    try:
        syscall("process_madvise", os.pidfd_open(place.outsider), struct.pack("=QQ", 0x10000, 4096), 1, 20, 0)
    except OSError as error:
        if error.errno != errno.ENOMEM:  # nothing is mapped there
            raise


@way("ptrace_access_check", "pidfd_getfd", *ANY_RIGHT)
def _pidfd_getfd(place: Place) -> object:
    return syscall("pidfd_getfd", os.pidfd_open(place.outsider), 0, 0)


@way("ptrace_access_check", "kcmp", *ANY_RIGHT)
def _kcmp(place: Place) -> None:
    try:
        syscall("kcmp", os.getpid(), place.outsider, 1, 0, 0)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing("kcmp in the kernel") from error
        raise


@way("ptrace_access_check", "move_pages", *ANY_RIGHT)
def _move_pages(place: Place) -> None:
    _numa("move_pages", place.outsider, 0, 0, 0, 0, 0)


@way("ptrace_access_check", "migrate_pages", *ANY_RIGHT)
def _migrate_pages(place: Place) -> None:
    nodes = struct.pack("=Q", 1)
    _numa("migrate_pages", place.outsider, 64, nodes, nodes)


def _numa(name: str, *arguments: int | bytes) -> None:
    try:
        syscall(name, *arguments)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing(f"{name} in the kernel") from error
        raise


@way("ptrace_access_check", "get_robust_list", *ANY_RIGHT)
def _get_robust_list(place: Place) -> object:
    return syscall("get_robust_list", place.outsider, buffer(b"", 8), buffer(b"", 8))


@way("ptrace_access_check", "perf_event_open", *ANY_RIGHT)
def _perf_event_open(place: Place) -> None:
    # A software clock, without the kernel and the hypervisor, which perf_event_paranoid may forbid by itself.
    attributes = struct.pack("=IIQ24xQ", 1, 128, 1, 1 << 5 | 1 << 6).ljust(128, b"\0")
    try:
        os.close(syscall("perf_event_open", attributes, 0, -1, -1, 8))
    except OSError as error:
        raise Missing(f"performance events ({error.strerror})") from error
    syscall("perf_event_open", attributes, place.outsider, -1, -1, 8)


@way("ptrace_access_check", "setns with a pidfd", *ANY_RIGHT)
def _setns(place: Place) -> None:
    try:
        syscall("setns", os.pidfd_open(place.outsider), 0x10000000)  # CLONE_NEWUSER
    except OSError as error:
        if error.errno != errno.EINVAL:  # it is in that namespace already
            raise


@way("ptrace_access_check", "PIDFD_GET_PID_NAMESPACE", *ANY_RIGHT)
def _pidfd_namespace(place: Place) -> None:
    try:
        syscall("ioctl", os.pidfd_open(place.outsider), 0xFF05, 0)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTTY):
            raise Missing("namespaces by pidfd in the kernel") from error
        raise


@way("ptrace_access_check", "PR_SCHED_CORE", *ANY_RIGHT)
def _sched_core(place: Place) -> None:
    try:
        syscall("prctl", 62, 2, place.outsider, 0, 0)  # PR_SCHED_CORE_SHARE_TO, one thread
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENODEV):
            raise Missing("a kernel with core scheduling, on a processor with SMT") from error
        raise


def _opens(name: str) -> Run:
    return lambda place: os.open(f"/proc/{place.outsider}/{name}", os.O_RDONLY)


for _name, _below in (
    ("mem", "mem"), ("maps", "maps"), ("environ", "environ"), ("auxv", "auxv"), ("timers", "timers"),
    ("fdinfo", "fdinfo"), ("exe", "exe"), ("ns", "ns/pid"),
):  # fmt: skip
    way("ptrace_access_check", f"open of {_name}", *ANY_RIGHT)(_opens(_below))


def _reads_link(name: str) -> Run:
    return lambda place: os.readlink(f"/proc/{place.outsider}/{name}")


for _name, _below in (("exe", "exe"), ("a descriptor", "fd/0"), ("ns", "ns/pid")):
    way("ptrace_access_check", f"readlink of {_name}", *ANY_RIGHT)(_reads_link(_below))


@way("ptrace_access_check", "readlinkat in its directory", *ANY_RIGHT)
def _readlinkat(place: Place) -> object:
    return os.readlink("exe", dir_fd=os.open(f"/proc/{place.outsider}", os.O_PATH))


@way("ptrace_access_check", "chdir to cwd", *ANY_RIGHT)
def _chdir(place: Place) -> None:
    os.chdir(f"/proc/{place.outsider}/cwd")


@way("ptrace_access_check", "execve of exe", *ANY_RIGHT)
def _execve_of_process(place: Place) -> None:
    run_program(f"/proc/{place.outsider}/exe", ["python3", "-c", ""])


@way("ptrace_access_check", "mkdir below root", *ANY_RIGHT)
def _mkdir_below_root(place: Place) -> None:
    os.mkdir(f"/proc/{place.outsider}/root{place.path}/new")


@way("ptrace_access_check", "stat of exe", *ANY_RIGHT)
def _stat(place: Place) -> object:
    return os.stat(f"/proc/{place.outsider}/exe")


def _reads(name: str) -> Run:
    def run(place: Place) -> object:
        try:
            file = os.open(f"/proc/{place.outsider}/{name}", os.O_RDONLY)
        except FileNotFoundError as error:
            raise Missing(f"/proc/PID/{name}") from error
        return os.read(file, 4096)

    return run


for _name in ("io", "syscall", "personality"):
    way("ptrace_access_check", f"read of {_name}", *ANY_RIGHT)(_reads(_name))
