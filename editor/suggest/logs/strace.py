"""An strace(1) log as accesses: what each call that succeeded, or was refused with EACCES, needs of Landlock.

Strace shows names as the program passed them. They are looked up on this filesystem as it is now, so links lead where
they lead now; what the program has removed since cannot be looked up and is taken by its name.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping

from editor.evaluation.execchain import MAX_DEPTH, ImageReader
from editor.landlock.rights import RIGHTS, RightSet
from editor.sandbox.calls.paths import normalize
from editor.sandbox.verdicts.report import Access
from editor.suggest.logs.strace_lines import Call, calls, string, unescape

_DESCRIPTOR = re.compile(r"^(AT_FDCWD|-?\d+)(?:<(.*)>(?:\(deleted\))?)?$", re.DOTALL)
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_HEADER = re.compile(r"(?m)^(?:\d+ +|\[pid +\d+\] +)?[\d:.]* ?\w+\(.*\) += ")

_EXECUTING: RightSet = frozenset({"execute", "read_file"})
_MAKING: Mapping[str, str] = {
    "mkdir": "make_dir",
    "symlink": "make_sym",
    "unlink": "remove_file",
    "rmdir": "remove_dir",
}
_MAKING_NODES: Mapping[str, str] = {
    "S_IFREG": "make_reg", "S_IFCHR": "make_char", "S_IFBLK": "make_block", "S_IFIFO": "make_fifo",
    "S_IFSOCK": "make_sock",
}  # fmt: skip
# Which arguments of these calls are a directory and the name in it; without the directory, the name alone.
_NAMES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("open", "creat", "execve", "truncate", "mkdir", "rmdir", "unlink", "mknod"), (0,)),
    "symlink": (1,), "rename": (0, 1), "link": (0, 1),
}  # fmt: skip
_NAMES_AT: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("openat", "openat2", "execveat", "mkdirat", "unlinkat", "mknodat"), (0,)),
    "symlinkat": (1,), "renameat": (0, 2), "renameat2": (0, 2), "linkat": (0, 2),
}  # fmt: skip
_FORKS = frozenset({"clone", "clone3", "fork", "vfork"})


def is_log(text: str) -> bool:
    """Whether ``text`` looks like a log of strace: a call with its arguments and result at the start of a line."""
    return _HEADER.search(text[:100_000]) is not None


def accesses(lines: Iterable[str], cwd: str) -> Iterator[Access]:
    """Yield what the calls of a log need, as denials of a policy that grants nothing.

    Relative names begin at ``cwd`` until the log shows a change of directory.
    """
    reader = _Reader(cwd)
    for call in calls(lines):
        yield from reader.needs(call)


class _Reader:
    """Follows working directories and the names that the program makes."""

    def __init__(self, cwd: str) -> None:
        self._first = cwd
        self._cwds: dict[int, list[str]] = {}  # one list for each group of threads that share it
        self._images = ImageReader()
        self._made: set[str] = set()
        self._there: set[str] = set()
        self._comms: dict[int, str] = {}

    def needs(self, call: Call) -> Iterator[Access]:
        """Yield what one call needs; nothing if it failed for another reason than a denial."""
        if call.name in ("chdir", "fchdir") or call.name in _FORKS:
            self._follow(call)
            return
        if call.error not in ("", "EACCES", "EXDEV", "EINPROGRESS") or (call.result == "?" and not call.error):
            return
        if call.name in ("bind", "connect"):
            yield from self._ports(call)
            return
        names = list(self._names(call))
        if any(name is None for name in names):
            return
        known = [name for name in names if name is not None]
        if len(known) == 2:
            yield from self._move(call, *known)
        elif known:
            yield from self._on_name(call, known[0])

    def _on_name(self, call: Call, name: str) -> Iterator[Access]:
        arguments = ", ".join(call.arguments)
        plain = call.name.removesuffix("at")
        if plain in ("open", "openat2", "creat"):
            yield from self._open(call, name, arguments)
        elif plain == "execve":
            if not call.error:
                self._comms[call.tid] = os.path.basename(name)[:15]
            yield from self._execute(call, name)
        elif plain == "truncate":
            yield self._access(call, os.path.realpath(name), frozenset({"truncate"}), name)
        elif plain in _MAKING:
            right = "remove_dir" if "AT_REMOVEDIR" in arguments else _MAKING[plain]
            yield self._in_directory(call, name, right)
            if right.startswith("make"):
                self._made.add(_entry(name))
        elif plain == "mknod":
            right = next((right for kind, right in _MAKING_NODES.items() if kind in arguments), "make_reg")
            yield self._in_directory(call, name, right)
            self._made.add(_entry(name))

    def _open(self, call: Call, name: str, arguments: str) -> Iterator[Access]:
        if "O_PATH" in arguments:
            return
        makes = call.name == "creat" or "O_CREAT" in arguments
        path = os.path.realpath(name)
        new = makes and path not in self._there and path not in self._made and not _is_special(path)
        if new:  # the log does not say so, but the program asked for a new file if there is none
            yield self._in_directory(call, name, "make_reg")
            self._made.add(path)
        self._there.add(path)
        if os.path.isdir(path) or "O_DIRECTORY" in arguments:
            yield self._access(call, path, frozenset({"write_file" if "O_TMPFILE" in arguments else "read_dir"}), name)
            return
        rights = set[str]()
        if call.name != "creat" and ("O_RDONLY" in arguments or "O_RDWR" in arguments):
            rights.add("read_file")
        if call.name == "creat" or "O_WRONLY" in arguments or "O_RDWR" in arguments:
            rights.add("write_file")
        if (call.name == "creat" or "O_TRUNC" in arguments) and not new and not _is_special(path):
            rights.add("truncate")
        if rights:
            yield self._access(call, path, frozenset(rights), name)

    def _execute(self, call: Call, name: str) -> Iterator[Access]:
        path = os.path.realpath(name)
        for _ in range(MAX_DEPTH):
            yield self._access(call, path, _EXECUTING, name)
            image = self._images.read(path)
            following = image.script or image.loader
            if following is None or image.is_open:
                return
            path = os.path.realpath(following)
            if image.loader:
                yield self._access(call, path, _EXECUTING, following)
                return

    def _move(self, call: Call, old: str, new: str) -> Iterator[Access]:
        moved = new if os.path.lexists(new) else old
        is_dir = os.path.isdir(moved) and not os.path.islink(moved)
        made = "make_dir" if is_dir else "make_sym" if os.path.islink(moved) else "make_reg"
        across = {"refer"} if os.path.dirname(old) != os.path.dirname(new) else set[str]()
        if call.name.startswith("rename"):
            removed = "remove_dir" if is_dir else "remove_file"
            yield self._in_directory(call, old, removed, *across)
            replaced = {"remove_file"} if _entry(new) in self._there | self._made else set[str]()
            yield self._in_directory(call, new, made, *across, *replaced)
        else:
            if across:
                yield self._in_directory(call, old, *across)
            yield self._in_directory(call, new, made, *across)
        self._made.add(_entry(new))

    def _ports(self, call: Call) -> Iterator[Access]:
        right = f"{call.name}_tcp"
        for port in dict.fromkeys(_PORT.findall(", ".join(call.arguments))):
            if "UDP" not in call.arguments[0]:
                yield self._access(call, None, frozenset({right}), None, int(port))

    def _in_directory(self, call: Call, name: str, *rights: str) -> Access:
        return self._access(call, os.path.realpath(os.path.dirname(name)), frozenset(rights), name)

    def _access(
        self, call: Call, object_path: str | None, rights: RightSet, path: str | None, port: int | None = None
    ) -> Access:
        assert rights <= RIGHTS.keys()  # noqa: S101 the tables above name rights
        return Access(
            "denied", rights, rights, path, object_path, port, call.name, call.error or None,
            self._comms.get(call.tid, ""), call.tid, 1, predicted=True, made_in=self._made_in(object_path),
        )  # fmt: skip

    def _made_in(self, path: str | None) -> str | None:
        """Return the nearest directory above ``path`` that the program did not make; None if it did not make that."""
        if path not in self._made:
            return None
        while path in self._made:
            path = os.path.dirname(path)
        return path

    # Names

    def _cwd(self, tid: int) -> list[str]:
        return self._cwds.setdefault(tid, [self._first])

    def _follow(self, call: Call) -> None:
        if call.name in _FORKS:
            if call.result.isdecimal() and call.result != "0":
                own = self._cwd(call.tid)
                self._cwds[int(call.result)] = own if "CLONE_FS" in ",".join(call.arguments) else list(own)
                self._comms[int(call.result)] = self._comms.get(call.tid, "")
        elif call.result == "0" and call.arguments:
            name = string(call.arguments[0])
            place = self._absolute(call, name) if name is not None else self._directory(call, call.arguments[0])
            if place is not None:
                self._cwd(call.tid)[0] = os.path.realpath(place)

    def _absolute(self, call: Call, name: str) -> str:
        return normalize(name if name.startswith("/") else f"{self._cwd(call.tid)[0]}/{name}")

    def _directory(self, call: Call, argument: str) -> str | None:
        """Return what a descriptor leads to; None if the log does not say (strace -y does)."""
        match = _DESCRIPTOR.match(argument)
        if match is None:
            return None
        if match[2] is not None:
            return unescape(match[2])
        return self._cwd(call.tid)[0] if match[1] == "AT_FDCWD" else None

    def _names(self, call: Call) -> Iterator[str | None]:
        """Yield the absolute names in a call; None for one that the log does not show."""
        try:
            for position in _NAMES.get(call.name, ()):
                text = string(call.arguments[position])
                yield None if text is None else self._absolute(call, text)
            for position in _NAMES_AT.get(call.name, ()):
                text = string(call.arguments[position + 1])
                if text is not None and text.startswith("/"):
                    yield normalize(text)
                    continue
                directory = self._directory(call, call.arguments[position])
                yield None if text is None or directory is None else normalize(f"{directory}/{text}")
        except IndexError:  # a line that was cut
            yield None


def _entry(name: str) -> str:
    """Return the path of a directory entry: its directory resolved, its own name not."""
    return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))


def _is_special(path: str) -> bool:
    """Whether ``path`` is there and no regular file, such as a device."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode)
