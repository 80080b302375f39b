"""Whether file permissions, too, would refuse a call that the kernel has refused.

For a process of the same user, the kernel is asked (faccessat with the effective ids); for other ids or capabilities
the mode bits are evaluated here. Access control lists are only respected the first way.
"""

import os
import re
import signal
import stat
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.calls.attempt import AccessRequest
from editor.sandbox.calls.live import filesystem_type

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAP_KILL = 5
_CAP_NET_BIND_SERVICE = 10
_CAP_SYS_PTRACE = 19
_CAP_SYS_ADMIN = 21
_CAP_PERFMON = 38
_READS_WITH_PERFMON = (6, 15)  # the first kernel whose mm_access() (kernel/fork.c) lets this capability read

# Filesystems that refuse by rules of their own, by the magic numbers of statfs(2): proc, sysfs, cgroup, cgroup2, FUSE,
# NFS, SMB, 9p, debugfs, tracefs, securityfs, bpf.
_OWN_PERMISSIONS = frozenset(
    {
        0x9FA0, 0x62656572, 0x27E0EB, 0x63677270, 0x65735546, 0x6969, 0xFF534D42, 0xFE534D42, 0x01021997, 0x64626720,
        0x74726163, 0x73636673, 0xCAFE4A11,
    }
)  # fmt: skip
_SPLIT = _OWN_PERMISSIONS | {0x794C7630, 0x9123683E}  # overlayfs, btrfs: its subvolumes
_PROTECTED = {
    stat.S_IFLNK: "protected_symlinks", stat.S_IFREG: "protected_regular", stat.S_IFIFO: "protected_fifos"
}  # fmt: skip

_READING: RightSet = frozenset({"read_file", "read_dir"})
_WRITING: RightSet = frozenset({"write_file", "truncate", "resolve_unix"})
_EXECUTING: RightSet = frozenset({"execute"})
_BINDING: RightSet = frozenset({"bind_tcp", "bind_udp"})


class Credentials(NamedTuple):
    """A thread's credentials: filesystem ids, all groups, and effective capabilities as a mask."""

    uid: int
    gid: int
    groups: frozenset[int]
    capabilities: int

    def has(self, capability: int) -> bool:
        """Whether a capability is effective (ids of a user namespace are not translated)."""
        return bool(self.capabilities >> capability & 1)


def credentials(tid: int | str) -> Credentials | None:
    """Return the credentials of a thread (``"self"``: the caller), None if it is gone."""
    try:
        with open(f"/proc/{tid}/status", "rb") as file:
            fields = dict(line.split(b":\t", 1) for line in file.read().splitlines() if b":\t" in line)
        return Credentials(
            int(fields[b"Uid"].split()[3]),
            int(fields[b"Gid"].split()[3]),
            frozenset(int(group) for group in fields[b"Groups"].split()),
            int(fields[b"CapEff"], 16),
        )
    except (OSError, KeyError, ValueError):
        return None


def access_mask(rights: RightSet) -> int:
    """Return the access(2) mask for ``rights`` on an object; changing a directory needs write and search."""
    mask = 0
    if rights & _READING:
        mask |= os.R_OK
    if rights & _WRITING:
        mask |= os.W_OK
    if rights & _EXECUTING:
        mask |= os.X_OK
    if rights - _READING - _WRITING - _EXECUTING - {"ioctl_dev"}:
        mask |= os.W_OK | os.X_OK
    return mask


def _mode_allows(status: os.stat_result, mask: int, cred: Credentials) -> bool:
    mode = status.st_mode
    if cred.has(_CAP_DAC_OVERRIDE):
        return not mask & os.X_OK or stat.S_ISDIR(mode) or bool(mode & 0o111)
    if cred.has(_CAP_DAC_READ_SEARCH) and not mask & os.W_OK and (stat.S_ISDIR(mode) or not mask & os.X_OK):
        return True
    if status.st_uid == cred.uid:
        granted = mode >> 6
    elif status.st_gid == cred.gid or status.st_gid in cred.groups:
        granted = mode >> 3
    else:
        granted = mode
    return mask & ~granted & 7 == 0


class PermissionChecker:
    """Answers for the threads of one run."""

    def __init__(self) -> None:
        self._own = credentials("self")

    def refuses(self, tid: int, path: str, rights: RightSet) -> bool:
        """Whether file permissions alone would refuse ``tid`` the ``rights`` on ``path``; False if unknown.

        ``path`` must be without symbolic links.
        """
        mask = access_mask(rights)
        cred = credentials(tid)
        if cred is None or not path:
            return False
        if cred == self._own:
            try:
                os.lstat(path)
            except PermissionError:
                return True  # a directory on the way is not searchable
            except OSError:
                return False
            return bool(mask) and not os.access(path, mask, effective_ids=True)
        try:
            return self._is_unsearchable(tid, os.path.dirname(path), cred) or not _mode_allows(
                os.stat(path), mask, cred
            )
        except OSError:
            return False

    @staticmethod
    def _is_unsearchable(tid: int, directory: str, cred: Credentials) -> bool:
        """Whether ``directory``, or one on the way from the root or the working directory, is not searchable."""
        try:
            start = os.readlink(f"/proc/{tid}/cwd")
        except OSError:
            start = "/"
        while len(directory) > 1:
            if not _mode_allows(os.stat(directory), os.X_OK, cred):
                return True
            if directory == start:
                break
            directory = os.path.dirname(directory)
        return False

    def refuses_lookup(self, tid: int, directory: str) -> bool:
        """Whether ``tid`` may not look up names in ``directory``, which is checked before anything else."""
        cred = credentials(tid)
        if cred is None or not directory:
            return False
        try:
            return self._is_unsearchable(tid, directory, cred)
        except OSError:
            return False

    @staticmethod
    def mount_refusal(request: AccessRequest) -> str:
        """Return which option of the mount refuses an access; empty if none does."""
        try:
            flags, mode = os.statvfs(request.tracer_path).f_flag, os.stat(request.tracer_path).st_mode
        except OSError:
            return ""
        if "execute" in request.rights and flags & os.ST_NOEXEC:
            return "programs cannot be executed on this mount (noexec)"
        if flags & os.ST_NODEV and stat.S_IFMT(mode) in (stat.S_IFCHR, stat.S_IFBLK):
            return "devices cannot be opened on this mount (nodev)"
        return ""

    def other_refusal(self, tid: int, request: AccessRequest) -> str:
        """Return why the filesystem or a setting of the kernel may refuse an access; empty if none does."""
        path, cred = request.tracer_path, credentials(tid)
        if not path or cred is None:
            return ""
        if filesystem_type(path) in _OWN_PERMISSIONS:
            return "this filesystem has permissions of its own"
        if _is_protected(request.path or "", stat.S_IFLNK, cred.uid):
            return "the link belongs to another user and is in a sticky directory (fs.protected_symlinks)"
        kind = 0 if request.entry is None else stat.S_IFMT(request.entry.mode)
        if "write_file" in request.rights and kind != stat.S_IFLNK and _is_protected(path, kind, cred.uid):
            return "the file belongs to another user and is in a sticky directory (fs.protected_regular and _fifos)"
        return self.mount_refusal(request)

    def refuses_signal(self, tid: int, target: int, number: int) -> bool:
        """Whether ``tid`` may not send signal ``number`` to process ``target``, apart from Landlock.

        Source: kill_ok_by_cred() and check_kill_permission() in kernel/signal.c, which run before the security modules.
        """
        cred, ids, target_ids = credentials(tid), _ids(tid), _ids(target)
        if cred is None or ids is None or target_ids is None or cred.has(_CAP_KILL):
            return False
        if number == signal.SIGCONT and _session(tid) == _session(target):
            return False
        return not {ids.uids[0], ids.uids[1]} & {target_ids.uids[0], target_ids.uids[2]}

    def refuses_tracing(self, tid: int, target: int, *, reading: bool = False) -> bool:
        """Whether ``tid`` may not trace (with ``reading``: inspect) process ``target``, apart from Landlock.

        Source: __ptrace_may_access() in kernel/ptrace.c. To the kernel, opening a process's memory is the same as
        tracing it, and reading its working directory the same as inspecting it. This process is outside the sandbox and
        can try both safely.
        """
        cred, ids, target_ids = credentials(tid), _ids(tid), _ids(target)
        if cred is None or ids is None or target_ids is None:
            return False
        same = {*target_ids.uids[:3]} == {ids.uids[0]} and {*target_ids.gids[:3]} == {ids.gids[0]}
        if not same and not cred.has(_CAP_SYS_PTRACE):
            return True
        try:
            if reading:
                os.readlink(f"/proc/{target}/cwd")
            else:
                os.close(os.open(f"/proc/{target}/mem", os.O_RDONLY | os.O_CLOEXEC))
        except PermissionError:
            return True
        except OSError:
            return False
        return False

    def reads_memory_anyway(self, tid: int) -> bool:
        """Whether a capability lets ``tid`` read what the kernel knows of a process's memory where Landlock refuses."""
        cred = credentials(tid)
        return (
            cred is not None
            and (cred.has(_CAP_PERFMON) or cred.has(_CAP_SYS_ADMIN))
            and tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= _READS_WITH_PERFMON
        )

    def port_refusal(self, tid: int, request: AccessRequest) -> str:
        """Return why the kernel may refuse to bind a port, apart from Landlock: __inet_bind() in net/ipv4/af_inet.c."""
        if request.port and request.port < _first_free_port() and request.rights & _BINDING:
            cred = credentials(tid)
            if cred is not None and not cred.has(_CAP_NET_BIND_SERVICE):
                return "binding such a low port requires CAP_NET_BIND_SERVICE"
        return ""

    def refuses_mounts(self, tid: int) -> bool:
        """Whether ``tid`` may not change mounts, apart from Landlock: may_mount() in fs/namespace.c."""
        cred = credentials(tid)
        return cred is not None and not cred.has(_CAP_SYS_ADMIN)


def _first_free_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024  # the kernel's default


def _is_protected(path: str, kind: int, uid: int) -> bool:
    """Whether the kernel keeps user ``uid`` from using ``path``, of type ``kind``, in a sticky directory.

    Source: may_follow_link() and may_create_in_sticky() in fs/namei.c.
    """
    setting = _PROTECTED.get(kind)
    if setting is None:
        return False
    try:
        status, directory = os.lstat(path), os.stat(os.path.dirname(path) or "/")
        with open(f"/proc/sys/fs/{setting}", "rb") as file:
            is_on = file.read().strip() != b"0"
    except (OSError, ValueError):
        return False
    return (
        is_on
        and stat.S_IFMT(status.st_mode) == kind
        and bool(directory.st_mode & stat.S_ISVTX and directory.st_mode & 0o022)
        and status.st_uid not in (uid, directory.st_uid)
    )


class _Ids(NamedTuple):
    """Real, effective, saved and filesystem ids."""

    uids: tuple[int, ...]
    gids: tuple[int, ...]


def _ids(tid: int) -> _Ids | None:
    try:
        with open(f"/proc/{tid}/status", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    found = {line[:4]: tuple(map(int, line[5:].split())) for line in lines if line.startswith((b"Uid:", b"Gid:"))}
    return _Ids(found[b"Uid:"], found[b"Gid:"]) if len(found) == 2 else None


def _session(tid: int) -> int:
    try:
        return os.getsid(tid)
    except OSError:
        return -1


def same_mount(one: str, other: str) -> bool:
    """Whether two directories are on one mount: otherwise rename(2) and link(2) fail with EXDEV anyway."""
    return _mount_id(one) == _mount_id(other)


def splits_directories(path: str) -> bool:
    """Whether ``path`` is on a filesystem that itself refuses some moves and links with EXDEV, such as overlayfs."""
    return filesystem_type(path) in _SPLIT


def _mount_id(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            return next((line for line in file if line.startswith(b"mnt_id:")), None)
    except OSError:
        return None
    finally:
        os.close(descriptor)
