"""Where the programs run, and how they are started: by ``paddock test``, or by ``paddock run`` under strace(1)."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.report import Access
from tests.proof.jobs import ALL_FS, ALL_NET, FILE_ONLY, HALF, POSTGRES, READING, Job, program_text

ORDINARY = 65534  # nobody: it exists on every Debian, and owns nothing
_HERE = os.path.dirname(os.path.abspath(__file__))
_EDITOR = os.path.join(os.path.dirname(os.path.dirname(_HERE)), "editor")
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from editor.cli.main import main; sys.exit(main())"
_FIRST_PORT = 10_000
_PORTS = 10_000
_LIMIT_S = 90  # per program; a few seconds are usual


class Watched(NamedTuple):
    """What ``paddock test`` reported of a program."""

    accesses: tuple[Access, ...]
    notes: tuple[str, ...]
    exit_code: int
    output: str

    @property
    def root(self) -> int:
        """The process that entered the domain: the one that made the first call."""
        return self.accesses[0].pid

    @property
    def denied(self) -> list[Access]:
        """The denied rows of calls. Rows from audit are left out: records cannot be the judge of themselves."""
        return [access for access in self.accesses if access.verdict == "denied" and access.observed == "call"]


class Traced(NamedTuple):
    """What strace logged of a program, and the directory in which it was started."""

    log: str
    cwd: str
    output: str


class Rules(NamedTuple):
    """A policy as plain values, for judges that do not use Paddock's own code."""

    handled_fs: RightSet
    paths: Mapping[str, RightSet]

    def lacking(self, directory: str) -> RightSet:
        """The handled rights, always including ``refer``, that no rule grants on ``directory`` (a real path)."""
        here, granted = directory, set[str]()
        while True:
            granted |= self.paths.get(here, frozenset())
            if here == "/":
                return (self.handled_fs | {"refer"}) - granted
            here = os.path.dirname(here)


def _reachable_python() -> str:
    """Return an interpreter that an ordinary user may execute, at least 3.11."""
    for candidate in (getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"):
        check = [candidate, "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        options: dict[str, Any] = {}
        if os.geteuid() == 0:
            options = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
        with contextlib.suppress(OSError):
            if subprocess.run(check, check=False, capture_output=True, cwd="/", **options).returncode == 0:
                return os.path.realpath(candidate)
    raise AssertionError("no Python 3.11 that an ordinary user may run")


def free_ports(count: int) -> list[int]:
    """Return different ports that nobody listens on, outside the kernel's ephemeral range."""
    found: list[int] = []
    for port in range(_FIRST_PORT + os.getpid() % _PORTS, _FIRST_PORT + 2 * _PORTS):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


class Stage:
    """A directory that every user can reach, with a copy of the program and room for one job at a time."""

    def __init__(self, top: str) -> None:
        self.top = top
        self.work = f"{top}/work"
        self.python = _reachable_python()
        self._policy = f"{top}/policy.json"
        self._ports: dict[str, list[int]] = {}
        os.chmod(top, 0o755)  # noqa: S103 others than root have to get in
        shutil.copytree(_EDITOR, f"{top}/tree/editor", ignore=shutil.ignore_patterns("__pycache__"))

    @classmethod
    @contextlib.contextmanager
    def opened(cls) -> Iterator["Stage"]:
        """Provide a stage, and remove it afterwards."""
        # Short, because paths of UNIX sockets below it must fit into 108 bytes.
        top = os.path.realpath(tempfile.mkdtemp(prefix="pp-", dir="/tmp"))
        try:
            yield cls(top)
        finally:
            shutil.rmtree(top)

    def prepare(self, job: Job, uid: int | None) -> Rules:
        """Set up everything from scratch for ``job``, owned by ``uid``, and write its policy."""
        shutil.rmtree(self.work, ignore_errors=True)
        for name in ("in", "half", "out", "closed"):
            os.makedirs(f"{self.work}/{name}/sub")
            for path, text in _FILES.items():
                with open(f"{self.work}/{name}/{path}", "w", encoding="ascii") as file:
                    file.write(text)
        for name in ("home", "tmp"):
            os.mkdir(f"{self.work}/{name}")
        for path, source in job.files:
            text = program_text(source)
            with open(f"{self.work}/{path}", "w", encoding="utf-8") as file:
                file.write(self._filled(job, text))
            if text.startswith("#!"):
                os.chmod(f"{self.work}/{path}", 0o755)  # noqa: S103 it is a program
        owner = ORDINARY if job.unprivileged and uid is None and os.geteuid() == 0 else uid
        if owner is not None:
            for directory, _, names in os.walk(self.work):
                for path in (directory, *(os.path.join(directory, name) for name in names)):
                    os.lchown(path, owner, owner)
        return self._write_policy(job)

    def _filled(self, job: Job, text: str) -> str:
        return text.replace("@TOP@", self.work).replace("@PORT0@", str(self.ports(job)[0]))

    def ports(self, job: Job) -> list[int]:
        """The ports of ``job``: the first two are granted, the third is not."""
        if job.name not in self._ports:
            self._ports[job.name] = free_ports(3)
        return self._ports[job.name]

    def _write_policy(self, job: Job) -> Rules:
        paths: dict[str, RightSet] = {}

        def grant(path: str, rights: Iterable[str]) -> None:
            real = os.path.realpath(path)
            allowed = frozenset(rights) if os.path.isdir(real) else frozenset(rights) & FILE_ONLY
            if os.path.exists(real) and allowed:
                paths[real] = paths.get(real, frozenset()) | allowed

        for path in (
            "/usr",
            "/lib",
            "/lib64",
            "/bin",
            "/sbin",
            "/proc",
            *(["/etc"] if job.etc else ["/etc/ld.so.cache"]),
        ):
            grant(path, READING)
        grant("/dev", ("read_file", "write_file", "read_dir", "truncate", "ioctl_dev"))
        layout = {"in": READING, "half": HALF, "out": ALL_FS, "home": ALL_FS, "tmp": ALL_FS}
        for path, rights in {**layout, **dict(job.rules)}.items():
            grant(path if path.startswith("/") else f"{self.work}/{path}", rights)
        handled = frozenset(ALL_FS) - job.unhandled
        first, second, _ = self.ports(job)
        data: dict[str, Any] = {
            "ruleset": [{"handledAccessNet": sorted(ALL_NET)}],
            "netPort": [
                {"allowedAccess": ["bind_tcp", "connect_tcp"], "port": [first]},
                {"allowedAccess": ["bind_tcp"], "port": [second]},
            ],
        }
        if handled:
            data["ruleset"][0]["handledAccessFs"] = sorted(handled)
            data["pathBeneath"] = [
                {"allowedAccess": sorted(rights & handled), "parent": [path]}
                for path, rights in paths.items()
                if rights & handled
            ]
        if job.scoped:
            data["ruleset"][0]["scoped"] = sorted(job.scoped)
        with open(self._policy, "w", encoding="utf-8") as file:
            json.dump(data, file)
        os.chmod(self._policy, 0o644)
        return Rules(handled, {path: rights & handled for path, rights in paths.items()})

    # Running

    def _environment(self, job: Job) -> dict[str, str]:
        env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": f"{self.work}/home",
            "TMPDIR": f"{self.work}/tmp",
            "LC_ALL": "C",
            "TERM": "screen",
            "SHELL": "/bin/sh",
            **{name: self._filled(job, value) for name, value in job.env},
        }
        for number, port in enumerate(self.ports(job)):
            env[f"PORT{number}"] = str(port)
        env["POSTGRES"] = POSTGRES
        # postgres does not run as root, and nginx would give away its files: there they switch to an ordinary user.
        env["ORDINARY"] = f"setpriv --reuid={ORDINARY} --regid={ORDINARY} --clear-groups"
        if os.geteuid() != 0:
            env["ORDINARY"] = ""
        return env

    def run(
        self, job: Job, uid: int | None, *command: str, limit: float = _LIMIT_S
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``command`` in the work directory to its end, at most ``limit`` seconds, both output streams as one."""
        env = self._environment(job)
        become: list[str] = []
        if uid is not None:
            env["ORDINARY"] = ""
            become = [self.python, "-I", "-S", f"{_HERE}/entering.py", str(uid)]
        mounts: list[str] = []
        if job.mounts:
            first = program_text(f"{job.name}.mounts.sh")
            mounts = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", f'{first}exec "$@"', "sh"]
        with subprocess.Popen([*become, "/bin/sleep", "600"], env=env, cwd="/") as outside:
            env["OUTSIDE"] = str(outside.pid)
            try:
                done = subprocess.run(
                    [*mounts, *become, *command],
                    cwd=self.work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    timeout=limit, check=False, start_new_session=True,
                )  # fmt: skip
            finally:
                outside.kill()
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode("utf-8", "replace"))

    def paddock(self, *words: str) -> list[str]:
        """Return the command that runs ``paddock`` with ``words``, as any user."""
        return [self.python, "-I", "-S", "-c", _BOOT, f"{self.top}/tree", *words]

    @staticmethod
    def _script(job: Job) -> list[str]:
        return ["/bin/sh", "-c", job.script]

    def test(self, job: Job, uid: int | None) -> Watched:
        """Run ``job`` with ``paddock test``."""
        descriptor, report = tempfile.mkstemp(dir=self.top)
        os.close(descriptor)
        if uid is not None:
            os.chown(report, uid, uid)
        wait = ["--wait"] if job.waits else []
        command = self.paddock("test", *wait, self._policy, "--format", "json", "-o", report, "--", *self._script(job))
        output = self.run(job, uid, *command).stdout
        with open(report, encoding="utf-8") as file:
            text = file.read()
        os.unlink(report)
        assert text, output
        data = json.loads(text)
        accesses = tuple(Access.from_json(access) for access in data["accesses"])
        assert accesses, (data, output)
        return Watched(accesses, tuple(data.get("notes", ())), data["exit_code"], output)

    def trace(self, job: Job, uid: int | None, calls: str) -> Traced:
        """Run ``job`` with ``paddock run`` under strace, which follows ``calls``."""
        log = f"{self.top}/strace"
        strace = shutil.which("strace")
        assert strace is not None
        command = [strace, "-f", "-y", "-s", "4096", "-e", f"trace={calls}", "-e", "signal=none", "--seccomp-bpf"]
        under = self.paddock("run", "--quiet", self._policy, "--", *self._script(job))
        output = self.run(job, uid, *command, "-o", log, *under).stdout
        with open(log, "rb") as file:
            text = os.fsdecode(file.read())
        os.unlink(log)
        return Traced(text, self.work, output)


_FILES = {
    "text": "one\ntwo\nthree\n",
    "table": "ann,3\nbob,4\ncid,5\n",
    "sub/more": "more\n",
    "main.c": '#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n',
    "Makefile": "all: main.o\nclean:\n\trm -f main.o\n",
}
