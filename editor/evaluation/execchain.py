"""The files that execve opens besides the program: interpreters from ``#!`` lines or binfmt_misc, and the ELF loader.

Sources: fs/binfmt_script.c, fs/binfmt_misc.c and fs/binfmt_elf.c. Each is opened for reading and execution, like the
program itself.
"""

import os
import stat
import struct
from typing import NamedTuple

_HEAD = 256  # BINPRM_BUF_SIZE: the kernel reads no more of a #! line
MAX_DEPTH = 5  # scripts interpreted by scripts: one more is ELOOP
_MAX_HEADERS = 64
_PT_INTERP = 3
_ELF_MAGIC = b"\x7fELF"
_FORMATS = "/proc/sys/fs/binfmt_misc"


class Image(NamedTuple):
    """What a program file asks for: an interpreter or its ELF loader; at most one is not None.

    ``is_open`` says that the kernel has that interpreter open already, so that Landlock is not asked about it.
    """

    script: str | None
    loader: str | None
    is_open: bool = False


NO_IMAGE = Image(None, None)


class _Format(NamedTuple):
    """An interpreter registered with binfmt_misc, for files with a name or a beginning of this kind."""

    interpreter: str
    flags: str
    extension: str
    offset: int
    magic: bytes
    mask: bytes

    def matches(self, path: str, head: bytes) -> bool:
        if self.extension:
            return os.path.basename(path).endswith(self.extension)
        part = head[self.offset : self.offset + len(self.magic)].ljust(len(self.magic), b"\0")
        return all((one ^ other) & mask == 0 for one, other, mask in zip(part, self.magic, self.mask, strict=True))


def _formats() -> list[_Format]:
    """Return the enabled formats, those registered last first, as the kernel tries them."""
    try:
        names = os.listdir(_FORMATS)
    except OSError:
        return []
    found = []
    for name in names:
        if name in ("register", "status"):
            continue
        try:
            with open(f"{_FORMATS}/{name}", "rb") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        if lines[:1] != [b"enabled"]:
            continue
        values = dict(line.partition(b" ")[::2] for line in lines[1:])
        magic = bytes.fromhex(values.get(b"magic", b"").decode())
        found.append(
            _Format(
                os.fsdecode(values.get(b"interpreter", b"")),
                values.get(b"flags:", b"").decode(),
                os.fsdecode(values.get(b"extension", b"")),
                int(values.get(b"offset", b"0")),
                magic,
                bytes.fromhex(values.get(b"mask", b"").decode()) or b"\xff" * len(magic),
            )
        )
    return found


def _script(head: bytes) -> str | None:
    line = head[2:].split(b"\n", 1)[0].strip(b" \t")
    name = line.replace(b"\t", b" ").split(b" ", 1)[0]
    return os.fsdecode(name) if name and b"\0" not in name else None


def _loader(file: int, head: bytes) -> str | None:
    wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    if wide:
        (offset,), (size, count) = struct.unpack_from(order + "Q", head, 32), struct.unpack_from(order + "HH", head, 54)
    else:
        (offset,), (size, count) = struct.unpack_from(order + "I", head, 28), struct.unpack_from(order + "HH", head, 42)
    headers = os.pread(file, size * min(count, _MAX_HEADERS), offset)
    for start in range(0, len(headers) - size + 1, size) if size else ():
        if struct.unpack_from(order + "I", headers, start)[0] != _PT_INTERP:
            continue
        if wide:
            position, length = struct.unpack_from(order + "Q", headers, start + 8) + struct.unpack_from(
                order + "Q", headers, start + 32
            )
        else:
            position, length = struct.unpack_from(order + "I", headers, start + 4) + struct.unpack_from(
                order + "I", headers, start + 16
            )
        return os.fsdecode(os.pread(file, min(length, 4096), position).split(b"\0", 1)[0]) or None
    return None


class ImageReader:
    """Reads what programs ask for, each file once until it changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], Image] = {}

    def read(self, path: str) -> Image:
        """Return the interpreter or loader of the program at ``path``; NO_IMAGE if the file cannot be read."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return NO_IMAGE
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                return NO_IMAGE
            if formats := _formats():  # the kernel tries them before scripts and ELF
                head = os.pread(file, _HEAD, 0)
                for each in formats:
                    if each.matches(path, head):
                        return Image(each.interpreter, None, is_open="F" in each.flags)
            key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            image = self._known.get(key)
            if image is None:
                image = self._known[key] = self._parse(file)
            return image
        except OSError:
            return NO_IMAGE
        finally:
            os.close(file)

    @staticmethod
    def _parse(file: int) -> Image:
        head = os.pread(file, _HEAD, 0)
        if head.startswith(b"#!"):
            return Image(_script(head), None)
        if not head.startswith(_ELF_MAGIC) or len(head) < 64:
            return NO_IMAGE
        try:
            return Image(None, _loader(file, head))
        except (struct.error, OverflowError):  # a damaged file: the kernel refuses it, too
            return NO_IMAGE
