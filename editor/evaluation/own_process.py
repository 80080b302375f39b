"""Paths through /proc/self: every process has another, and a policy means that of the command when it starts.

``paddock run`` and the tester build the rules in the process that becomes the command. Everything else only asks what
they would mean: there, Paddock's own process stands for the command, and keeps the name /proc/self.
"""

import os

SELF, THREAD_SELF = "/proc/self", "/proc/thread-self"

# Names to follow at most: the kernel gives up earlier (PATH_MAX, MAXSYMLINKS).
_MAX_NAMES = 1 << 16


def own_process_path(path: str) -> str | None:
    """Return where the absolute ``path`` enters /proc/self or /proc/thread-self, with the rest; None if it does not.

    For /dev/stdin that is /proc/self/fd/0, for /proc/mounts /proc/self/mounts.
    """
    names = path.split("/")[::-1]
    here = ""
    for _ in range(_MAX_NAMES):
        if not names:
            return None
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = here.rpartition("/")[0]
            continue
        here = f"{here}/{name}"
        if here in (SELF, THREAD_SELF):
            return "/".join([here, *(name for name in reversed(names) if name not in ("", "."))])
        try:
            target = os.readlink(here)
        except (OSError, ValueError):  # not a link, or missing; ValueError: a NUL in the path
            continue
        here = "" if target.startswith("/") else here.rpartition("/")[0]
        names += target.split("/")[::-1]
    return None


def leaves_proc(own: str) -> bool:
    """Whether a result of ``own_process_path`` leads out of /proc: to an open file, a directory, the program."""
    names = own.split("/")[3:]
    if names[:1] == ["task"]:
        del names[:2]
    return names[:1] in (["cwd"], ["root"], ["exe"]) or (len(names) > 1 and names[0] in ("fd", "ns", "map_files"))


def main_thread_path(path: str) -> str:
    """Return the path under which any thread of this process finds the first one's files: a command starts with one."""
    if path == THREAD_SELF or path.startswith(THREAD_SELF + "/"):
        return f"{SELF}/task/{os.getpid()}{path[len(THREAD_SELF) :]}"
    return path


def with_self(real: str) -> str:
    """Return ``real``, a path without symbolic links, with /proc/self in place of this process's directory."""
    if not real.startswith("/proc/"):
        return real
    own = f"/proc/{os.getpid()}"
    for directory, name in ((f"{own}/task/{os.getpid()}", THREAD_SELF), (own, SELF)):
        if real == directory or real.startswith(directory + "/"):
            return name + real[len(directory) :]
    return real


def is_own(real: str) -> bool:
    """Whether ``real``, a result of ``with_self``, is in the directory of the own process."""
    return real.startswith((SELF, THREAD_SELF)) and real.removeprefix(SELF).removeprefix(THREAD_SELF)[:1] in ("", "/")


def real_path(path: str) -> str:
    """Return the absolute ``path`` without symbolic links, but with /proc/self, as a resolved policy has it."""
    return with_self(os.path.realpath(main_thread_path(path)))
