"""Boots a kernel in QEMU, without acceleration, disk or network, and reads what the guest reports."""

import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from typing import Any, NamedTuple

MEMORY_MIB = 512
_QEMU = "qemu-system-x86_64"

# Everything that QEMU emulates, but not what makes each system call slower: a tenth of the time.
_PROCESSOR = "max,smap=off,smep=off,pku=off,umip=off,la57=off"

# The first serial line gets the guest's output and kernel messages, the second its results. Mounting and unmounting
# wait for RCU grace periods; expedited ones take a tenth of the time.
_KERNEL_ARGUMENTS = (
    "console=ttyS0 loglevel=4 panic=-1 mitigations=off rcupdate.rcu_expedited=1 audit=1 audit_backlog_limit=8192"
)


class GuestFailed(Exception):
    """The guest did not finish its job. The text says why, and ends with the last lines of its console."""


class Outcome(NamedTuple):
    """What a guest reported: its records in order, its console output, its elapsed and processor time in seconds."""

    records: list[dict[str, Any]]
    console: str
    seconds: float
    cpu_seconds: float


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tail(console: str, lines: int = 40) -> str:
    # QEMU's firmware clears the screen with escape sequences: keep them out of the log.
    plain = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]|[^\n\t\x20-\x7e]", "", console)
    return "\n".join(plain.splitlines()[-lines:])


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def boot(image: str, initramfs: bytes, timeout: float) -> Outcome:
    """Boot the kernel ``image`` with ``initramfs`` and wait until the guest powers off.

    ``timeout`` is in seconds. Raises GuestFailed if QEMU is missing or fails, time runs out, or the guest stops before
    its last record.
    """
    qemu = shutil.which(_QEMU)
    if qemu is None:
        raise GuestFailed(f"{_QEMU} is not installed")
    with tempfile.TemporaryDirectory(prefix="paddock-kernels-") as directory:
        initrd, console, results = (os.path.join(directory, name) for name in ("initrd", "console", "results"))
        with open(initrd, "wb") as file:
            file.write(initramfs)
        command = [qemu, "-accel", "tcg", "-cpu", _PROCESSOR, "-m", str(MEMORY_MIB), "-smp", "1"]
        command += ["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"]
        command += ["-serial", f"file:{console}", "-serial", f"file:{results}"]
        command += ["-kernel", image, "-initrd", initrd, "-append", _KERNEL_ARGUMENTS]
        started, cpu_before = time.monotonic(), _cpu_seconds()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as machine:
            try:
                _, errors = machine.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                raise GuestFailed(
                    f"the guest did not end within {timeout:.0f} seconds; its console:\n{_tail(_read(console))}"
                ) from None
            finally:
                machine.kill()
        seconds = time.monotonic() - started
        if machine.returncode != 0:
            raise GuestFailed(f"QEMU ended with status {machine.returncode}: {errors.strip()}")
        shown = _read(console)
        records = [json.loads(line) for line in _read(results).splitlines() if line.strip()]
    if not records or records[-1].get("part") != "end":
        raise GuestFailed(f"the guest stopped too early; its console:\n{_tail(shown)}")
    return Outcome(records, shown, seconds, _cpu_seconds() - cpu_before)
