"""Mounts a FUSE filesystem, serves it, and lets a child open its one file: for tests, as root.

Usage: serving.py MOUNT_POINT. The server opens another file for each request, so that a tracer stops it each time.
Prints the child's results. Protocol: include/uapi/linux/fuse.h.
"""

import ctypes
import os
import select
import struct
import sys

_LOOKUP, _FORGET, _GETATTR, _OPEN, _RELEASE, _FLUSH, _INIT, _BATCH_FORGET = 1, 2, 3, 14, 18, 25, 26, 42
_REQUEST = struct.Struct("=IIQQIIII")
_ANSWER = struct.Struct("=IiQ")


def _attributes(node: int) -> bytes:
    mode, links = (0o40755, 2) if node == 1 else (0o100644, 1)
    return struct.pack("=6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


def _answer(code: int, node: int, name: bytes) -> tuple[int, bytes]:
    """Return the error number and the content for one request."""
    if code == _INIT:
        return 0, struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 1 << 16, 1, 0, 0, *(0,) * 8)
    if code == _GETATTR:
        return 0, struct.pack("=QII", 0, 0, 0) + _attributes(node)
    if code == _LOOKUP:
        return (0, struct.pack("=4Q2I", 2, 0, 0, 0, 0, 0) + _attributes(2)) if name == b"file" else (2, b"")
    if code == _OPEN:
        return 0, struct.pack("=QII", 1, 0, 0)
    return (0, b"") if code in (_RELEASE, _FLUSH) else (38, b"")


def main() -> None:
    point = sys.argv[1]
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"served", os.fsencode(point), b"fuse", 0, options) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    child = os.fork()
    if child == 0:
        os.close(device)
        os.chdir(point)
        for name in (f"{point}/file", "file", f"{point}/none"):
            try:
                os.close(os.open(name, os.O_RDONLY))
                print("opened", flush=True)
            except OSError as error:
                print(error.errno, flush=True)
        os._exit(0)
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if not select.select([device], [], [], 0.05)[0]:
            continue
        data = os.read(device, 1 << 17)
        _, code, unique, node, *_ = _REQUEST.unpack_from(data)
        os.close(os.open("/etc/hostname", os.O_RDONLY))
        if code not in (_FORGET, _BATCH_FORGET):
            refusal, content = _answer(code, node, data[_REQUEST.size :].split(b"\0", 1)[0])
            os.write(device, _ANSWER.pack(_ANSWER.size + len(content), -refusal, unique) + content)
    libc.umount2(os.fsencode(point), 2)


main()
