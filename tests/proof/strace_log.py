"""Parses the log of strace(1): which call, on which path as requested, with which error.

Strace prints relative paths as passed. For calls with a directory descriptor, ``-y`` prints what they are relative to;
for the others, the working directory of each thread is tracked here, through chdir, fchdir and the calls that create
threads.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from editor.sandbox.calls.paths import normalize
from editor.suggest.logs.strace_lines import Call, calls, string, unescape

_DESCRIPTOR = re.compile(r"^(AT_FDCWD|-?\d+)(?:<(.*)>(?:\(deleted\))?)?$", re.DOTALL)
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_SOCKET_NAME = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')

# Which arguments are paths: alone, or after the descriptor of the directory that they are relative to.
_NAMES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("open", "creat", "execve", "truncate", "mkdir", "mknod", "unlink", "rmdir", "chmod", "chown", "lchown",
         "chroot", "setxattr", "lsetxattr", "removexattr", "lremovexattr", "utime", "utimes", "umount2", "pivot_root"),
        (0,),
    ),
    "rename": (0, 1), "link": (0, 1), "symlink": (1,), "mount": (1,),
}  # fmt: skip
_NAMES_AT: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("openat", "openat2", "execveat", "mkdirat", "mknodat", "unlinkat", "fchmodat", "fchmodat2", "fchownat",
         "futimesat", "utimensat", "setxattrat", "removexattrat"),
        (0,),
    ),
    "renameat": (0, 2), "renameat2": (0, 2), "linkat": (0, 2), "symlinkat": (1,),
}  # fmt: skip
_ON_DESCRIPTOR = frozenset({"ftruncate", "fchmod", "fchown", "fsetxattr", "fremovexattr"})
_ON_ADDRESS = frozenset({"bind", "connect", "sendto", "sendmsg", "sendmmsg"})
_ON_NOTHING = frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"})
_ONLY_READ = ("landlock_restrict_self", "chdir", "fchdir", "clone", "clone3", "fork", "vfork")

COMPARED = frozenset({*_NAMES, *_NAMES_AT, *_ON_DESCRIPTOR, *_ON_ADDRESS, *_ON_NOTHING})
TRACED = ",".join(f"?{name}" for name in sorted(COMPARED | set(_ONLY_READ)))


class Seen(NamedTuple):
    """One call: its name, its object (absolute path, ``port N``, or empty), and its error or an empty string."""

    syscall: str
    subject: str
    error: str


class Log(NamedTuple):
    """All calls of the confined program. ``pairs`` has those with two names (renames and links), ``seen`` the rest."""

    seen: frozenset[Seen]
    pairs: frozenset[tuple[str, str, str, str]]


class _Reader:
    """Tracks working directories."""

    def __init__(self, cwd: str) -> None:
        self._first_cwd = cwd
        self._cwds: dict[int, list[str]] = {}  # one list per group of threads that share it
        self.seen: set[Seen] = set()
        self.pairs: set[tuple[str, str, str, str]] = set()

    def _cwd(self, tid: int) -> list[str]:
        return self._cwds.setdefault(tid, [self._first_cwd])

    def take(self, call: Call) -> None:
        """Process one line."""
        if call.name in _ONLY_READ:
            self._moved(call)
            return
        if call.result == "?" and not call.error:
            return  # killed in the middle: the result is unknown
        error = "EINTR" if call.error.startswith("ERESTART") else call.error
        subjects = list(self._subjects(call))
        if any(subject is None for subject in subjects):
            return  # an invalid pointer (EFAULT), or a process that hides its memory
        if len(subjects) == 2:
            self.pairs.add((call.name, subjects[0] or "", subjects[1] or "", error))
        else:
            self.seen.update(Seen(call.name, subject or "", error) for subject in subjects)

    def _moved(self, call: Call) -> None:
        if call.name in ("chdir", "fchdir"):
            if call.result != "0":
                return
            if call.name == "chdir":
                self._cwd(call.tid)[0] = os.path.realpath(self._absolute(call, string(call.arguments[0]) or ""))
            else:
                self._cwd(call.tid)[0] = self._directory(call, call.arguments[0]) or "?"
        elif call.result.isdigit() and call.result != "0":
            shared = "CLONE_FS" in ",".join(call.arguments)
            cwd = self._cwd(call.tid)
            self._cwds[int(call.result)] = cwd if shared else list(cwd)

    def _absolute(self, call: Call, name: str) -> str:
        return normalize(name if name.startswith("/") else f"{self._cwd(call.tid)[0]}/{name}")

    def _directory(self, call: Call, argument: str) -> str | None:
        match = _DESCRIPTOR.match(argument)
        if match is None:
            return None
        if match[2] is not None:
            return unescape(match[2])
        if match[1] == "AT_FDCWD":
            return self._cwd(call.tid)[0]
        # A descriptor has no name if it is not open, or if its process hides it (PR_SET_DUMPABLE).
        return f"descriptor {match[1]}" if call.error == "EBADF" else None

    def _subjects(self, call: Call) -> Iterator[str | None]:
        """Return the objects of a call: two for a rename or link, none if there is no row."""
        name, arguments = call.name, call.arguments
        for position in _NAMES.get(name, ()):
            text = string(arguments[position])
            yield None if text is None else self._absolute(call, text)
        for position in _NAMES_AT.get(name, ()):
            text = string(arguments[position + 1]) if arguments[position + 1] != "NULL" else ""
            directory = self._directory(call, arguments[position])
            if text is None or directory is None:
                yield None
            elif not text and ("AT_EMPTY_PATH" in call.arguments[-1] or arguments[position + 1] == "NULL"):
                yield directory
            else:
                yield normalize(text if text.startswith("/") else f"{directory}/{text}")
        if name in _ON_DESCRIPTOR:
            yield self._directory(call, arguments[0])
        elif name in _ON_ADDRESS:
            yield from self._addresses(call)
        elif name in _ON_NOTHING:
            yield ""

    def _addresses(self, call: Call) -> Iterator[str]:
        found = set[str]()
        text = ", ".join(call.arguments[1:])
        for port in _PORT.findall(text):
            found.add(f"port {port}")
        for abstract, name in _SOCKET_NAME.findall(text):
            plain = unescape(name)
            found.add(f"@{plain}" if abstract else self._absolute(call, plain))
        if not found and "sa_family=" in text and "AF_UNIX" not in text:
            found.add("")
        yield from sorted(found)


def read(text: str, cwd: str) -> Log:
    """Parse a log of ``paddock run`` from the moment of confinement."""
    reader = _Reader(cwd)
    confined = False
    for call in calls(text.splitlines()):
        if confined:
            reader.take(call)
        elif call.name == "landlock_restrict_self" and call.result == "0":
            confined = True
    assert confined, "nothing was confined"
    return Log(frozenset(reader.seen), frozenset(reader.pairs))
