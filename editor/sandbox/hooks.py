"""Every hook that Landlock registers in the kernel, and every way to reach each of them.

The report is complete if each way is seen: as a call, in the kernel's audit, or not at all for a reason given here.
tests/sandbox/hooks walks this table and asks the running kernel about each way.

Sources: the ``LSM_HOOK_INIT`` lists of security/landlock/{fs,net,task,cred}.c (of linux-next also cap.c and ns.c) for
the hooks, and their callers for the ways. A hook is named without its prefix ``hook_``.
"""

from typing import Literal, NamedTuple

Seen = Literal["call", "audit", "unseen"]


class Way(NamedTuple):
    """One way to reach a hook.

    It is ``seen`` as a call, whose row has one of ``syscalls`` (empty: the way's own name); or the kernel does it on
    its own behalf, or in a call too frequent to stop at, and only its audit tells; or it is unseen, because a test
    prevents it. ``first`` is the capability that the kernel wants before it asks Landlock, ``around`` one that lets
    the caller through although Landlock refuses. ``lately`` means that older kernels do not ask, whatever their ABI.
    """

    name: str
    syscalls: tuple[str, ...] = ()
    seen: Seen = "call"
    first: str = ""
    around: str = ""
    lately: bool = False

    @property
    def shown_as(self) -> tuple[str, ...]:
        """The names of system calls that a row of this way may have."""
        return self.syscalls or (self.name,)


class Hook(NamedTuple):
    """One hook: the ABI that first has it, the errors it returns, and the ways to it (none: it only keeps state)."""

    name: str
    abi: int
    errnos: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


def _audit(name: str, first: str = "", around: str = "") -> Way:
    return Way(name, seen="audit", first=first, around=around)


_ADMIN = "CAP_SYS_ADMIN"
_PERFMON = "CAP_PERFMON"

_FILE_OPEN = (  # do_dentry_open() in fs/open.c
    Way("open"), Way("openat"), Way("openat2"), Way("creat"),
    Way("open_by_handle_at", first="CAP_DAC_READ_SEARCH"),  # do_handle_open() in fs/fhandle.c
    Way("execve"), Way("execveat"),  # do_open_execat() in fs/exec.c
    Way("execveat AT_EXECVE_CHECK", ("execveat",)),
    Way("interpreter of a script", ("execve",)),  # fs/binfmt_script.c
    Way("loader of a program", ("execve",)),  # fs/binfmt_elf.c
    Way("interpreter by binfmt_misc", ("execve",), first=_ADMIN),  # fs/binfmt_misc.c; to register one takes root
    Way("uselib"),  # fs/exec.c, with CONFIG_USELIB
    Way("mq_open"),  # mqueue_file_open() in ipc/mqueue.c
    Way("acct", first="CAP_SYS_PACCT"),  # acct_on() in kernel/acct.c
    Way("swapon", first=_ADMIN), Way("swapoff", first=_ADMIN),  # mm/swapfile.c
    Way("TIOCGPTPEER", ("ioctl",)),  # ptm_open_peer() in drivers/tty/pty.c
    Way("descriptor in /proc", ("openat",)),  # proc_fd_link() in fs/proc/fd.c: a second open of the same file
    Way("directory of a detached mount", ("openat",), first=_ADMIN),  # open_tree(2) with OPEN_TREE_CLONE
    _audit("read of fanotify", first=_ADMIN),  # create_fd() in fs/notify/fanotify/fanotify_user.c
    _audit("core dump"),  # coredump_file() in fs/coredump.c
    _audit("io_uring openat"),  # io_openat2() in io_uring/openclose.c
    _audit("file named to zram", first=_ADMIN),  # backing_dev_store() in drivers/block/zram/zram_drv.c
    _audit("policy named to IMA", first=_ADMIN),  # ima_read_policy() in security/integrity/ima/ima_fs.c
    _audit("autofs open by ioctl", first=_ADMIN),  # autofs_dev_ioctl_openmount() in fs/autofs/dev-ioctl.c
)  # fmt: skip

_PATH_MKNOD = (
    Way("mknod"), Way("mknodat"),  # fs/namei.c
    Way("creating open", ("open", "openat")), Way("creating creat", ("creat",)),
    Way("bind of a UNIX socket", ("bind",)),  # unix_bind_bsd() in net/unix/af_unix.c
    Way("BPF_OBJ_PIN", ("bpf",), first=_ADMIN),  # bpf_obj_do_pin() in kernel/bpf/inode.c
    _audit("creating core dump"),  # coredump_file() in fs/coredump.c
)  # fmt: skip

_PTRACE_ACCESS_CHECK = (  # ptrace_may_access() in kernel/ptrace.c and mm_access() in kernel/fork.c
    Way("PTRACE_ATTACH", ("ptrace",)), Way("PTRACE_SEIZE", ("ptrace",)),
    Way("process_vm_readv"), Way("process_vm_writev"),  # mm/process_vm_access.c
    Way("process_madvise", around=_PERFMON),  # mm/madvise.c
    Way("pidfd_getfd"),  # __pidfd_fget() in kernel/pid.c
    Way("kcmp"),  # kernel/kcmp.c: both processes
    Way("move_pages"), Way("migrate_pages"),  # mm/migrate.c, mm/mempolicy.c
    Way("get_robust_list"),  # kernel/futex/syscalls.c
    Way("perf_event_open", around=_PERFMON),  # perf_check_permission() in kernel/events/core.c
    Way("setns with a pidfd", ("setns",)),  # validate_nsset() in kernel/nsproxy.c
    Way("PIDFD_GET_PID_NAMESPACE", ("ioctl",)),  # pidfd_ioctl() in fs/pidfs.c
    Way("PR_SCHED_CORE", ("prctl",)),  # sched_core_share_pid() in kernel/sched/core_sched.c
    Way("open of mem", ("openat",)),  # proc_mem_open() in fs/proc/base.c, like all below
    Way("open of maps", ("openat",), around=_PERFMON),
    Way("open of environ", ("openat",), around=_PERFMON),
    Way("open of auxv", ("openat",), around=_PERFMON),
    Way("open of timers", ("openat",), lately=True),  # 6.18 checks it, 6.12 does not
    Way("open of fdinfo", ("openat",)),
    Way("open of exe", ("openat",)),  # proc_pid_get_link()
    Way("open of ns", ("openat",)),  # proc_ns_get_link() in fs/proc/namespaces.c
    Way("readlink of exe", ("readlink", "readlinkat")),
    Way("readlink of a descriptor", ("readlink", "readlinkat")),
    Way("readlink of ns", ("readlink", "readlinkat")),
    Way("readlinkat in its directory", ("readlinkat",)),
    Way("chdir to cwd", ("chdir",)),
    Way("execve of exe", ("execve",)),
    Way("mkdir below root", ("mkdir", "mkdirat")),
    _audit("stat of exe"),  # stat(2) is too frequent to stop at
    _audit("read of io"), _audit("read of syscall"), _audit("read of personality"),  # checked at each read(2)
)  # fmt: skip

_SIGNALS = (  # check_kill_permission() in kernel/signal.c; signal 0 is checked as well
    Way("kill"), Way("tkill"), Way("tgkill"), Way("rt_sigqueueinfo"), Way("rt_tgsigqueueinfo"),
    Way("pidfd_send_signal"), Way("kill of a group", ("kill",)),
    _audit("PR_SET_PDEATHSIG of a child outside"),  # reparent_leader() in kernel/exit.c
)  # fmt: skip

_SIGIO = (  # send_sigio() and send_sigurg() in fs/fcntl.c, to an owner outside; nobody gets an error
    _audit("F_SETOWN"), _audit("F_SETOWN_EX"), _audit("FIOSETOWN"), _audit("F_SETSIG"), _audit("owner is a group"),
    _audit("SIGURG"), _audit("F_NOTIFY"), _audit("F_SETLEASE"),
)  # fmt: skip

HOOKS: tuple[Hook, ...] = (
    # security/landlock/fs.c
    Hook("file_open", 1, ("EACCES",), _FILE_OPEN),
    Hook("path_link", 1, ("EACCES", "EXDEV"), (Way("link"), Way("linkat"))),
    Hook("path_rename", 1, ("EACCES", "EXDEV"), (Way("rename"), Way("renameat"), Way("renameat2"))),
    Hook("path_mkdir", 1, ("EACCES",), (Way("mkdir"), Way("mkdirat"), _audit("io_uring mkdirat"))),
    Hook("path_mknod", 1, ("EACCES",), _PATH_MKNOD),
    Hook("path_symlink", 1, ("EACCES",), (Way("symlink"), Way("symlinkat"))),
    Hook("path_unlink", 1, ("EACCES",), (
        Way("unlink"), Way("unlinkat"), _audit("io_uring unlinkat"), _audit("core dump over another"),
    )),
    Hook("path_rmdir", 1, ("EACCES",), (Way("rmdir"), Way("unlinkat AT_REMOVEDIR", ("unlinkat",)))),
    Hook("path_truncate", 3, ("EACCES",), (Way("truncate"), Way("O_TRUNC", ("open", "openat")))),
    Hook("file_alloc_security", 3),
    Hook("file_truncate", 3, ("EACCES",), (Way("ftruncate"),)),
    Hook("file_ioctl", 5, ("EACCES",), (Way("ioctl"),)),
    Hook("file_ioctl_compat", 5, ("EACCES",), (Way("ioctl of a 32-bit program", ("ioctl",)),)),
    Hook("sb_mount", 1, ("EPERM",), (Way("mount"), Way("mount MS_REMOUNT", ("mount",)))),  # before the capability
    Hook("move_mount", 1, ("EPERM",), (Way("move_mount", first=_ADMIN),)),
    Hook("sb_umount", 1, ("EPERM",), (Way("umount", ("umount", "umount2"), first=_ADMIN),)),
    Hook("sb_remount", 1, ("EPERM",), (Way("FSCONFIG_CMD_RECONFIGURE", ("fsconfig",), first=_ADMIN),)),
    Hook("sb_pivotroot", 1, ("EPERM",), (Way("pivot_root", first=_ADMIN),)),
    Hook("unix_find", 9, ("EACCES",), (
        Way("connect to a path", ("connect",)), Way("sendto a path", ("sendto",)),
        Way("sendmsg to a path", ("sendmsg",)),
    )),
    Hook("inode_free_security_rcu", 1),
    Hook("sb_delete", 1),
    Hook("file_set_fowner", 6),
    Hook("file_free_security", 6),
    # security/landlock/net.c
    Hook("socket_bind", 4, ("EACCES",), (Way("bind"), Way("bind for UDP", ("bind",)))),
    Hook("socket_connect", 4, ("EACCES",), (Way("connect"), Way("connect for UDP", ("connect",)))),
    Hook("socket_sendmsg", 4, ("EACCES",), (  # UDP: 10; a fix for TCP Fast Open went to all
        Way("sendto"), Way("sendmsg"), Way("sendmmsg"), Way("TCP Fast Open", ("sendto",), lately=True),
    )),
    # security/landlock/task.c
    Hook("ptrace_access_check", 1, ("EPERM", "EACCES"), _PTRACE_ACCESS_CHECK),
    Hook("ptrace_traceme", 1, ("EPERM",), (Way("PTRACE_TRACEME", ("ptrace",), seen="unseen"),)),  # traced already
    Hook("unix_stream_connect", 6, ("EPERM",), (
        Way("connect of a stream", ("connect",)), Way("connect of a seqpacket", ("connect",)),
    )),
    Hook("unix_may_send", 6, ("EPERM",), (
        Way("connect of a datagram", ("connect",)), Way("datagram by sendto", ("sendto",)),
        Way("datagram by sendmsg", ("sendmsg",)), Way("datagram by sendmmsg", ("sendmmsg",)),
    )),
    Hook("task_kill", 6, ("EPERM",), _SIGNALS),
    Hook("file_send_sigiotask", 6, (), _SIGIO),
    # security/landlock/cred.c
    Hook("cred_prepare", 1),
    Hook("cred_transfer", 1),
    Hook("cred_free", 1),
    Hook("bprm_creds_for_exec", 7),
    # linux-next: security/landlock/cap.c and ns.c. Policies have no words for them yet.
    Hook("capable", 12, ("EPERM",)),
    Hook("namespace_init", 12, ("EPERM",)),
    Hook("namespace_install", 12, ("EPERM",)),
)  # fmt: skip
