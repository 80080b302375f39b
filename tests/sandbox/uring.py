"""Makes one request through io_uring: the source of a function for programs under test.

``request(operation, path, flags=0, length=0, submission=0)`` returns its result, a negative errno if it failed.
Structures and operations are from include/uapi/linux/io_uring.h.
"""

OPENAT, UNLINKAT, MKDIRAT = 18, 36, 37
ASYNC = 1 << 4  # IOSQE_ASYNC: a worker thread of the kernel does it

SOURCE = r"""
import ctypes, mmap, struct
def request(operation, path, flags=0, length=0, submission=0):
    call = ctypes.CDLL(None, use_errno=True).syscall
    setup = ctypes.create_string_buffer(120)
    ring = call(425, 4, setup)
    if ring < 0:
        return "none"
    words = struct.unpack("30I", setup.raw)
    entries, submitted, completed = words[0], words[10:20], words[20:30]
    queue = mmap.mmap(ring, submitted[6] + 4 * entries + 64, offset=0)
    requests = mmap.mmap(ring, 64 * entries, offset=0x10000000)
    answers = mmap.mmap(ring, completed[5] + 16 * words[1], offset=0x8000000)
    name = ctypes.create_string_buffer(path.encode())
    entry = struct.pack("BBHiQQIIQ", operation, submission, 0, -100, 0, ctypes.addressof(name), length, flags, 7)
    requests[:64] = entry.ljust(64, b"\0")
    queue[submitted[6]:submitted[6] + 4] = struct.pack("I", 0)
    queue[submitted[1]:submitted[1] + 4] = struct.pack("I", 1)
    call(426, ring, 1, 1, 1, 0, 0)
    return struct.unpack("QiI", answers[completed[5]:completed[5] + 16])[1]
"""
