"""Packs a guest: a cpio archive with busybox, this Python with its standard library, and this source tree.

Format: "newc" of Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's tree.
"""

import importlib.util
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile

# The guest's root is a mount of its own, as on every real machine, and not the kernel's initial root filesystem.
SYSTEM = "system"
SOURCES = "paddock"

_APPLETS = """
    cat chmod chown cp dd dirname echo env false find grep head kill ln ls mkdir mknod mv nc poweroff ps rm rmdir sed
    sh sleep sort tail tar tee test touch true umount uname wc xargs
"""

# Parts of the standard library that no test needs: half of the guest's memory, and shared libraries besides.
_NO_PACKAGES = """
    __pycache__ dist-packages distutils ensurepip idlelib lib2to3 pydoc_data site-packages sqlite3 test tkinter
    turtledemo unittest venv wsgiref xmlrpc
"""
_NO_EXTENSIONS = re.compile(
    "_codecs_|_curses|_dbm|_gdbm|_hashlib|_sqlite3|_ssl|_test|_tkinter|_xx|audioop|nis|ossaudiodev|readline|xx"
)

_INIT = f"""#!/bin/busybox sh
busybox=/bin/busybox
cd /{SYSTEM}
$busybox mount -o bind . .
cd /{SYSTEM}
$busybox mount -t proc proc proc
$busybox mount -t sysfs sysfs sys
$busybox mount -t securityfs securityfs sys/kernel/security
$busybox mount -t tracefs tracefs sys/kernel/tracing
$busybox mount -t devtmpfs devtmpfs dev
$busybox mkdir -p dev/pts dev/shm
$busybox mount -t devpts -o ptmxmode=666 devpts dev/pts
$busybox mount -t tmpfs tmpfs tmp
$busybox mount -o move . /
exec $busybox chroot . /bin/sh /start
"""


def _start_script(python: str) -> str:
    # The first process is a shell: it survives whatever happens to Python, and powers off the machine.
    return f"""export PATH=/bin HOME=/tmp LC_ALL=C.UTF-8 PYTHONPATH=/{SOURCES} PYTHONDONTWRITEBYTECODE=1
cd /{SOURCES}
{python} -m tests.kernels.guest /{SOURCES}/job.json /dev/ttyS1
poweroff -f
"""


class Archive:
    """A cpio archive in memory. Parent directories are added as needed; everything belongs to root."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = set()

    def _entry(self, name: str, mode: int, content: bytes, mtime: int = 0) -> None:
        self._names.add(name)
        raw = os.fsencode(name) + b"\0"
        number = len(self._names)
        fields = (number, mode, 0, 0, 1, mtime, len(content), 0, 0, 0, 0, len(raw), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._parts += [header, b"\0" * (-len(header) % 4), content, b"\0" * (-len(content) % 4)]

    def directory(self, name: str, permissions: int = 0o755) -> None:
        """Add the directory ``name`` (without a leading slash) and its parents, unless they exist."""
        if not name or name in self._names:
            return
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFDIR | permissions, b"")

    def file(self, name: str, content: bytes, *, executable: bool = False, mtime: int = 0) -> None:
        """Add a regular file unless it exists. ``mtime`` is in whole seconds."""
        if name in self._names:
            return
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | (0o755 if executable else 0o644), content, mtime)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def copy(self, path: str, name: str) -> None:
        """Add the file ``path`` of this machine as ``name``."""
        status = os.stat(path)
        with open(path, "rb") as file:
            self.file(name, file.read(), executable=bool(status.st_mode & 0o100), mtime=int(status.st_mtime))

    def bytes(self) -> bytes:
        """Return the finished archive. To the kernel, concatenated archives are one."""
        trailer = Archive()
        trailer._entry("TRAILER!!!", 0, b"")
        return b"".join(self._parts + trailer._parts)


def _libraries(files: list[str]) -> set[str]:
    """Return the shared libraries (and the dynamic loader) that ``files`` need, according to ldd(1)."""
    done = subprocess.run(["ldd", *files], capture_output=True, text=True, check=True)
    return set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", done.stdout, re.MULTILINE))


def _add_python(archive: Archive) -> str:
    """Add this interpreter with its standard library at the same paths; return the interpreter's path."""
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    library = sysconfig.get_path("stdlib")
    binaries = [python]
    unneeded = frozenset(_NO_PACKAGES.split())
    for directory, names, files in os.walk(library):
        top = os.path.relpath(directory, library).split(os.sep)[0]
        names[:] = [name for name in names if name not in unneeded and not name.startswith("config-")]
        for file in files:
            path = os.path.join(directory, file)
            if top == "lib-dynload":
                if not file.endswith(".so") or _NO_EXTENSIONS.match(file):
                    continue
                binaries.append(path)
            elif not file.endswith(".py"):
                continue
            archive.copy(path, f"{SYSTEM}{path}")
            compiled = importlib.util.cache_from_source(path)
            if file.endswith(".py") and os.path.exists(compiled):
                archive.copy(compiled, f"{SYSTEM}{compiled}")
    archive.copy(python, f"{SYSTEM}{python}")
    for path in sorted(_libraries(binaries)):
        archive.copy(path, f"{SYSTEM}{path}")
    return python


def _add_sources(archive: Archive, root: str) -> None:
    """Add the packages ``editor`` and ``tests`` of the tree at ``root``, precompiled because guests are slow."""
    with tempfile.TemporaryDirectory() as scratch:
        for package in ("editor", "tests"):
            for directory, names, files in os.walk(os.path.join(root, package)):
                names[:] = [name for name in names if name not in ("__pycache__", "screens", "snapshots")]
                for file in files:
                    if not file.endswith(".py"):
                        continue
                    path = os.path.join(directory, file)
                    name = f"{SYSTEM}/{SOURCES}/{os.path.relpath(path, root)}"
                    compiled = py_compile.compile(path, cfile=f"{scratch}/compiled", dfile=name, doraise=True)
                    archive.copy(path, name)
                    if compiled is not None:
                        archive.copy(compiled, importlib.util.cache_from_source(name))


def build(root: str) -> bytes:
    """Return the initramfs for the source tree at ``root``; append `job` to it.

    Raises FileNotFoundError without busybox.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("busybox is not installed")
    archive = Archive()
    archive.copy(busybox, "bin/busybox")
    archive.file("init", _INIT.encode(), executable=True)
    # The kernel opens the console before anything is mounted; if it is missing, there is only a warning.
    for name in ("dev", "proc", "sys", "etc", "run"):
        archive.directory(f"{SYSTEM}/{name}")
    archive.directory(f"{SYSTEM}/tmp", 0o1777)
    archive.copy(busybox, f"{SYSTEM}/bin/busybox")
    for applet in _APPLETS.split():
        archive.link(f"{SYSTEM}/bin/{applet}", "busybox")
    archive.file(f"{SYSTEM}/etc/passwd", b"root:x:0:0::/tmp:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n")
    archive.file(f"{SYSTEM}/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.file(f"{SYSTEM}/etc/hostname", b"paddock\n")
    python = _add_python(archive)
    archive.link(f"{SYSTEM}/bin/python3", python)
    archive.file(f"{SYSTEM}/start", _start_script(python).encode())
    _add_sources(archive, root)
    return archive.bytes()


def job(text: str) -> bytes:
    """Return an archive with the guest's job, to append to the result of `build`."""
    archive = Archive()
    archive.file(f"{SYSTEM}/{SOURCES}/job.json", text.encode())
    return archive.bytes()
