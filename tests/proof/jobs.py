"""The programs: each with a small job, and with what its policy denies.

A job is a shell script of ``programs/`` that runs in a directory with these parts: ``in`` is readable, ``half`` has
some rights, ``out``, ``home`` and ``tmp`` have all, ``closed`` has none. The system is readable; PORT0 may be bound and
connected to, PORT1 only bound, PORT2 neither. A script ends and waits for whatever it starts in the background. In
scripts, $PORT0 to $PORT2 are the ports, $OUTSIDE is a process of the same user, $POSTGRES is the directory of
PostgreSQL's programs, $ORDINARY switches from root to an ordinary user. In files, @TOP@ is replaced by the directory.
"""

import glob
import os
from typing import NamedTuple

import pytest

from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, RightSet

# Rights that the kernel may not know are left out: these are the ones up to the first ABI with audit records.
ALL_FS: tuple[str, ...] = tuple(right.name for right in FS_RIGHTS if right.abi <= 7)
ALL_NET: tuple[str, ...] = tuple(right.name for right in NET_RIGHTS if right.abi <= 7)
READING = ("execute", "read_file", "read_dir")
HALF = ("read_file", "read_dir", "write_file", "make_reg", "refer")
# The rights that a rule on a file may have.
FILE_ONLY: RightSet = frozenset({"execute", "write_file", "read_file", "truncate", "ioctl_dev"})
SCOPES: RightSet = frozenset({"abstract_unix_socket", "signal"})

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


class Job(NamedTuple):
    """One program's work.

    ``needs`` are the required programs. ``files`` are created first: path -> file of ``programs/``. ``env`` are
    additional variables. ``etc`` False: not even /etc is readable. ``rules`` are additional grants, path -> rights.
    ``random`` are regular expressions for parts of names that differ in each run; with groups, the last group is such a
    part. ``unprivileged`` means that the files never belong to root, even if root runs the job.
    ``waits``: the test goes on until all processes of the job have ended. ``lost_dumps`` is how many core dumps the
    policy prevents, where the kernel writes them to the working directory. ``mounts``: root runs NAME.mounts.sh first,
    outside the policy; the job runs in the same mount namespace, which is removed afterwards. ``threads``: the program
    names its threads. ``text`` is the script itself, instead of a file of ``programs/``.
    """

    name: str
    needs: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    etc: bool = True
    rules: tuple[tuple[str, tuple[str, ...]], ...] = ()
    scoped: RightSet = SCOPES
    unhandled: RightSet = frozenset()
    random: tuple[str, ...] = ()
    unprivileged: bool = False
    named: str = ""
    waits: bool = False
    lost_dumps: int = 0
    threads: bool = False
    mounts: bool = False
    text: str = ""

    @property
    def marks(self) -> tuple[pytest.MarkDecorator, ...]:
        """What the job needs."""
        return (pytest.mark.program(*self.needs), *([pytest.mark.root] if self.mounts else []))

    @property
    def script(self) -> str:
        """The job as a script for sh(1)."""
        return self.text or program_text(f"{self.named or self.name}.sh")


def program_text(name: str) -> str:
    """The path of a file in ``programs/``."""
    with open(os.path.join(PROGRAMS, name), encoding="utf-8") as file:
        return file.read()


# Debian keeps PostgreSQL's programs out of PATH, in a directory per version.
POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql/bin")

_OBJECTS = r"tmp_obj_(\w{6})"
_COMPILER = r"/cc(\w{6})(?=\.)"

JOBS: tuple[Job, ...] = (
    # Files, one by one
    Job("cat", ("cat",), etc=False),
    Job("ls", ("ls",), etc=False),
    Job("cp", ("cp",)),
    Job("mv", ("mv",)),
    Job("ln", ("ln",), random=(r"/Cu(\w{6})$",)),
    Job("rm", ("rm", "rmdir")),
    Job("touch", ("touch",)),
    Job("mkdir", ("mkdir", "mkfifo", "mknod")),
    Job("truncate", ("truncate",), unhandled=frozenset({"read_dir"})),
    Job("dd", ("dd",), unhandled=frozenset({"truncate"})),
    Job("chmod", ("chmod", "chown", "chgrp"), etc=False),
    Job("install", ("install",)),
    Job("sort", ("sort", "split", "uniq"), random=(r"/sort(\w{6})$",)),
    Job("tee", ("tee", "head", "wc")),
    Job("modes", ("chmod",)),
    Job("modes-of-others", ("setpriv",), files=(("in/modes.sh", "modes.sh"),), unprivileged=True),
    Job("processes", ("setsid", "timeout", "xargs", "nice")),
    # Text
    Job("find", ("find",), etc=False),
    Job("grep", ("grep",), etc=False),
    Job("sed", ("sed",), random=(r"/sed(\w{6})$",)),
    Job("awk", ("awk",)),
    Job("diff", ("diff", "cmp")),
    Job("patch", ("patch",), files=(("in/text.patch", "text.patch"),), random=(r"\.o(\w{6})$",)),
    Job("less", ("less",)),
    Job("groff", ("groff", "man"), files=(("in/work.1", "work.1"),)),
    Job("vim", ("vim.tiny",)),
    # Archives
    Job("tar", ("tar",)),
    Job("cpio", ("cpio",), random=(r"/cpio(\w{6})$",)),
    Job("zip", ("zip", "unzip"), random=(r"/zi(\w{6})$",)),
    Job("xz", ("xz", "gzip", "bzip2")),
    Job("rsync", ("rsync",), random=(r"/\.\w+\.(\w{6})$",)),
    # Builds
    Job("gcc", ("gcc",), etc=False, random=(_COMPILER,)),
    Job("make", ("make", "gcc"), random=(_COMPILER,)),
    Job(
        "git",
        ("git",),
        env=(
            ("GIT_AUTHOR_DATE", "1700000000 +0000"),
            ("GIT_COMMITTER_DATE", "1700000000 +0000"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ),
        random=(_OBJECTS, r"/\.tmp-(\d+)-pack-", r"_(\w{6})$", r"/tmp_\w+_(\w{6})$", r"/t(\w{6})$"),
    ),
    # Languages
    Job("python3", ("/usr/bin/python3",), files=(("in/work.py", "work.py"),), random=(r"/half/(\w{8})$",)),
    Job("system", ("/usr/bin/python3",), files=(("in/system.py", "system.py"),)),
    Job(
        "system-unscoped",
        ("/usr/bin/python3",),
        files=(("in/system.py", "system.py"),),
        scoped=frozenset(),
        named="system",
    ),
    Job("perl", ("perl",), files=(("in/work.pl", "work.pl"),)),
    Job("node", ("node",), files=(("in/work.js", "work.js"),), env=(("UV_USE_IO_URING", "0"),)),
    Job("bash", ("bash",), files=(("in/work.bash", "work.bash"),)),
    Job("java", ("java",), files=(("in/Work.java", "Work.java"),), threads=True),
    Job("javac", ("javac",), files=(("in/Work.java", "Work.java"),), threads=True),
    Job("script", ("sh", "env"), files=(("in/tool", "tool"), ("in/lost", "lost"), ("in/chain", "chain"))),
    # Data and keys
    Job("sqlite3", ("sqlite3",)),
    Job("ssh-keygen", ("ssh-keygen",), random=(r"/text\.(\w{10})$",)),
    Job("openssl", ("openssl",)),
    Job(
        "gpg",
        ("gpg", "gpg-agent", "gpgconf"),
        env=(("GNUPGHOME", "@TOP@/out/g"),),
        random=(r"/\.#lk(0x[0-9a-f]+\.[^/]*?\.\d+)x?$", r"/([0-9A-F]{40})\.(?:key|rev)"),
    ),
    # Networks, servers, terminals
    Job("curl", ("curl", "/usr/bin/python3"), files=(("in/serve.py", "serve.py"),)),
    Job(
        "nginx",
        ("nginx", "curl"),
        files=(("in/nginx.conf", "nginx.conf"), ("in/closed.conf", "nginx-closed.conf")),
    ),
    Job("redis", ("redis-check-rdb", "redis-cli"), random=(r"/temp-(\d+)\.rdb$",)),
    Job(
        "postgres",
        ("setpriv", f"{POSTGRES}/initdb"),
        rules=(("/dev/shm", ALL_FS),),
        random=(r"/PostgreSQL\.(\d+)$", r"/xlogtemp\.(\d+)$"),
        unprivileged=True,
    ),
    Job("tmux", ("tmux",)),
    Job(
        "nginx-daemon",
        ("nginx", "curl"),
        files=(("in/nginx.conf", "nginx-daemon.conf"),),
        waits=True,
    ),
    # Mounts of the program's own: denied where anything in the file system is handled
    Job("bwrap", ("bwrap",), rules=(("/proc", ("write_file",)),)),
    Job(
        "bwrap-network",
        ("bwrap", "/usr/bin/python3"),
        files=(("in/ports.py", "ports.py"),),
        unhandled=frozenset(ALL_FS),
    ),
    Job("unshare", ("unshare", "mount"), rules=(("/proc", ("write_file",)),)),
    Job(
        "unshare-network",
        ("unshare", "mount", "/usr/bin/python3"),
        files=(("in/ports.py", "ports.py"),),
        unhandled=frozenset(ALL_FS),
    ),
    # Mounts made by others: before the program starts, and while it runs
    Job("fuse", ("squashfuse", "mksquashfs"), mounts=True),
    Job("mounts", ("unshare", "mount"), mounts=True),
    Job("mounts-inside", ("unshare", "mount", "nsenter"), rules=(("/proc", ("write_file",)),), mounts=True),
    # Other kinds of programs
    Job("static", ("gcc",), files=(("in/files.c", "files.c"),), random=(_COMPILER,)),
    Job("i386", ("gcc", "/lib/ld-linux.so.2"), files=(("in/files.c", "files.c"),), random=(_COMPILER,)),
    Job(
        "ccache",
        ("ccache", "gcc"),
        # The file that it counts in depends on its process id.
        env=(("CCACHE_NOSTATS", "1"),),
        random=(_COMPILER, r"\.tmp\.(\w{6})(?=\.\w+$)"),
    ),
    Job("crash", ("sh",), lost_dumps=2),
    # Package managers
    Job(
        "cargo",
        ("/usr/bin/cargo", "gcc"),
        files=(("in/Cargo.toml", "cargo.toml"), ("in/main.rs", "main.rs")),
        env=(("CARGO_INCREMENTAL", "0"),),
        random=(_COMPILER, r"/(?:target|rustc|rmeta)(\w{6})(?=/|$)"),
        threads=True,
    ),
    Job(
        "npm",
        ("npm",),
        # With one arena, malloc(3) does not look for the number of processors when threads happen to meet.
        env=(("UV_USE_IO_URING", "0"), ("NPM_CONFIG_UPDATE_NOTIFIER", "false"), ("MALLOC_ARENA_MAX", "1")),
        random=(
            r"/_cacache/tmp/([0-9a-f-]{36}|[^/]{6})(?=/|$)",
            r"/_logs/([0-9TZ_-]+)-debug-0\.log$",
            r"/\.[\w-]+-(\w{8})(?=/|$)",
            r"/_cacache/(?:index|content)-v\d+/(.*)",
        ),
        threads=True,
    ),
    Job(
        "pip",
        ("/usr/bin/python3", "/usr/bin/pip3"),
        files=(("in/wheel.py", "wheel.py"),),
        random=(
            r"/pip-[a-z-]+-(\w{8})(?=/|$)",
            r"/tmp/(\w{8})$",
            r"/[A-Z]+(\w{8})\.tmp$",
            r"\.pyc\.(\d+)$",
            r"/(\w{56})$",
        ),
    ),
)
