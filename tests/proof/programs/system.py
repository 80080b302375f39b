"""Asks for what is about other processes and the whole system; goes on after every refusal."""

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
outside = int(os.environ["OUTSIDE"])
local = (ctypes.c_char * 16)()
pieces = (ctypes.c_void_p * 2)(ctypes.addressof(local), 16)
CALLS: tuple[tuple[object, ...], ...] = (
    ("mount", b"none", b"out", b"tmpfs", 0, None),
    ("umount2", b"/proc", 0),
    ("umount2", b"out", 0),
    ("pivot_root", b".", b"out"),
    ("ptrace", 16, outside, None, None),
    ("ptrace", 16, os.getppid(), None, None),
    ("process_vm_readv", outside, pieces, 1, pieces, 1, 0),
    ("kill", 1, 0),
    ("kill", 1, 18),
    ("kill", outside, 0),
    ("kill", os.getppid(), 0),
    ("kill", 0, 0),
)
for name, *arguments in CALLS:
    ctypes.set_errno(0)
    print(name, getattr(libc, str(name))(*arguments), os.strerror(ctypes.get_errno()))
for process in (1, outside, os.getppid()):
    try:
        signal.pidfd_send_signal(os.pidfd_open(process), 0)
    except OSError as error:
        print(error)
for name in ("mem", "exe", "cwd", "fd/0", "ns/net", "comm"):
    try:
        os.close(os.open(f"/proc/{outside}/{name}", os.O_RDONLY))
    except OSError as error:
        print(error)
print(libc.syscall(438, os.pidfd_open(outside), 0, 0))  # pidfd_getfd(2)
print(libc.chroot(b"out"))
