"""Runs inside the guest: does its job part by part, and writes one JSON record per part.

Usage: python -m tests.kernels.guest JOB RESULTS. JOB is a JSON file, RESULTS the serial line to the host. Only for a
machine created for it: it brings up the network and changes whatever it needs.
"""

import fcntl
import json
import os
import socket
import struct
import sys
import time
import traceback
import tty
from typing import Any

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def bring_up_loopback() -> None:
    """Bring up the interface ``lo`` (netdevice(7)), which also gives it its addresses."""
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack_from("16xh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def main() -> None:
    """Run the job."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    line = os.open(sys.argv[2], os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(line)
    bring_up_loopback()

    def report(part: str, **values: Any) -> None:
        data = json.dumps({"part": part, **values}).encode() + b"\n"
        while data:
            data = data[os.write(line, data) :]

    from tests.kernels.parts import PARTS  # noqa: PLC0415 - a part that cannot even be imported is a result, too

    for name in job["parts"]:
        started = time.monotonic()
        try:
            values = PARTS[name](job)
        except Exception:
            values = {"problems": [traceback.format_exc()]}
        report(name, seconds=round(time.monotonic() - started, 1), **values)
    report("end")


if __name__ == "__main__":
    main()
