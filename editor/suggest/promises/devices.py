"""``tty``, ``null``, ``random``, ``shm``, ``tmp`` and ``proc-self``: what the kernel offers to every program."""

from collections.abc import Iterator

from editor.landlock.rights import RightSet
from editor.suggest.promises.promise import LIST, READ, USE, Place
from editor.suggest.promises.system import System

# To make files, overwrite and remove them; in a directory of directories, these as well.
_KEEP_FILES: RightSet = frozenset({"read_file", "write_file", "truncate", "make_reg", "remove_file"})
_KEEP_ALL: RightSet = _KEEP_FILES | {
    "read_dir", "make_dir", "remove_dir", "make_sym", "make_fifo", "make_sock", "refer"
}  # fmt: skip
# Where ncurses looks for what terminals can do, after $TERMINFO and the home directory.
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo", "/usr/local/share/terminfo")


def terminal(system: System) -> Iterator[Place]:
    """Yield the terminal of whoever opens it, and what terminals can do."""
    yield Place("/dev/tty", USE | {"ioctl_dev"}, "the program's own terminal")
    given = system.environment.get("TERMINFO", "")
    for directory in (*([given] if given.startswith("/") else []), *system.in_home(".terminfo"), *_TERMINFO):
        yield Place(directory, READ, "what terminals can do")
    yield Place("/etc/inputrc", READ, "keys of readline")


def null(system: System) -> Iterator[Place]:  # noqa: ARG001
    """Yield the devices that take everything and hold nothing."""
    yield Place("/dev/null", USE, "takes what is written, and is empty")
    yield Place("/dev/zero", USE, "takes what is written, and holds zeros")
    yield Place("/dev/full", USE, "holds zeros, and is always full")


def random(system: System) -> Iterator[Place]:  # noqa: ARG001
    """Yield the kernel's random numbers."""
    yield Place("/dev/urandom", READ, "random numbers")
    yield Place("/dev/random", READ, "random numbers")
    yield Place("/proc/sys/kernel/random/uuid", READ, "a random UUID")


def shared_memory(system: System) -> Iterator[Place]:  # noqa: ARG001
    """Yield the directory of shm_open(3) and sem_open(3)."""
    yield Place("/dev/shm", _KEEP_FILES, "shared memory and semaphores by name")  # noqa: S108


def temporary(system: System) -> Iterator[Place]:
    """Yield the directories for temporary files."""
    given = system.environment.get("TMPDIR", "")
    if given.startswith("/") and given.strip("/"):
        yield Place(given, _KEEP_ALL, "temporary files, as TMPDIR says")
    yield Place("/tmp", _KEEP_ALL, "temporary files")  # noqa: S108
    yield Place("/var/tmp", _KEEP_ALL, "temporary files that outlast a restart")  # noqa: S108


def own_process(system: System) -> Iterator[Place]:  # noqa: ARG001
    """Yield what /proc says of the command's process."""
    yield Place("/proc/self", LIST, "the process that becomes the command")
