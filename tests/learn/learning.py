"""Learn a policy for a program on a stage, and run the program under it."""

import json
import os
import shutil
from typing import NamedTuple

from editor.policy.model import Policy
from editor.policy.parse import parse_policy
from editor.sandbox.verdicts.report import Access
from tests.learn.programs import Program
from tests.proof.jobs import Job
from tests.proof.stage import ORDINARY, Stage

_LIMIT_S = 300  # for several runs of a program


class Tried(NamedTuple):
    """A run under a policy: the exit status, and what was denied."""

    exit_code: int
    denied: tuple[Access, ...]
    output: str


class Outcome(NamedTuple):
    """What came of learning: ``bare`` is the exit status without Paddock, ``said`` what ``paddock learn`` wrote."""

    bare: int
    exit_code: int
    text: str
    said: str
    tried: Tried

    @property
    def policy(self) -> Policy:
        """The learned policy."""
        return parse_policy(self.text, "learned.toml", "toml")

    @property
    def rules(self) -> int:
        """How many rules it has."""
        return len(self.policy.path_rules) + len(self.policy.port_rules)

    @property
    def runs(self) -> int:
        """How many runs it took."""
        return sum(line.startswith("paddock learn: run ") for line in self.said.splitlines())


def user_of(program: Program, uid: int | None) -> int | None:
    """Return who runs ``program``: an ordinary user where the program refuses root."""
    return ORDINARY if program.unprivileged and uid is None and os.geteuid() == 0 else uid


def home(stage: Stage) -> str:
    """Return the home directory: not where the programs work, as for a person."""
    return f"{stage.top}/home"


def job(stage: Stage, program: Program) -> Job:
    """Return ``program`` as a job for ``stage``."""
    env = (("HOME", home(stage)), *program.env)
    unprivileged = program.unprivileged
    return Job(program.name, program.needs, program.files, env, unprivileged=unprivileged, text=program.command)


def prepare(stage: Stage, program: Program, uid: int | None) -> None:
    """Set the stage for one run of ``program``."""
    stage.prepare(job(stage, program), uid)
    for directory in (home(stage), f"{stage.top}/made"):
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        if uid is not None:
            os.chown(directory, uid, uid)
    if program.first:
        done = stage.run(job(stage, program), uid, "/bin/sh", "-c", program.first)
        assert done.returncode == 0, done.stdout


def command(program: Program) -> tuple[str, ...]:
    """Return the command that does the work."""
    return ("/bin/sh", "-c", program.command)


def learn(stage: Stage, program: Program, uid: int | None = None) -> Outcome:
    """Run ``program`` bare, learn a policy for it from nothing, and run it under that policy, each on a fresh stage."""
    uid = user_of(program, uid)
    prepare(stage, program, uid)
    bare = stage.run(job(stage, program), uid, *command(program))
    prepare(stage, program, uid)
    path = f"{stage.top}/made/learned.toml"
    done = stage.run(
        job(stage, program), uid, *stage.paddock("learn", "-o", path, "--", *command(program)), limit=_LIMIT_S
    )
    assert os.path.exists(path), done.stdout
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return Outcome(bare.returncode, done.returncode, text, done.stdout, attempt(stage, program, text, uid))


def attempt(stage: Stage, program: Program, text: str, uid: int | None = None, limit: float = _LIMIT_S) -> Tried:
    """Run ``program`` under the policy ``text`` on a fresh stage; subprocess.TimeoutExpired after ``limit`` seconds."""
    uid = user_of(program, uid)
    prepare(stage, program, uid)
    path, report = f"{stage.top}/made/learned.toml", f"{stage.top}/made/report.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    words = stage.paddock("test", path, "--format", "json", "-o", report, "--", *command(program))
    done = stage.run(job(stage, program), uid, *words, limit=limit)
    with open(report, encoding="utf-8") as file:
        written = file.read()
    assert written, done.stdout
    data = json.loads(written)
    accesses = map(Access.from_json, data["accesses"])
    return Tried(done.returncode, tuple(each for each in accesses if each.verdict == "denied"), done.stdout)


def tighten(stage: Stage, program: Program, text: str, uid: int | None = None) -> tuple[str, str]:
    """Tighten the policy ``text`` with runs of ``program``. Returns its text, and what was said."""
    uid = user_of(program, uid)
    prepare(stage, program, uid)
    path = f"{stage.top}/made/learned.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    if uid is not None:
        os.chown(path, uid, uid)
    words = stage.paddock("tighten", path, "--apply", "--", *command(program))
    done = stage.run(job(stage, program), uid, *words, limit=_LIMIT_S)
    assert done.returncode in (0, 1), done.stdout
    with open(path, encoding="utf-8") as file:
        return file.read(), done.stdout
