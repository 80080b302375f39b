"""Run as a program: hold what `lint` claims about random policies against the kernel.

Usage: kernel_claims.py SEED COUNT. Each of COUNT policies is linted and enforced on a child process, which tries what
each finding says can or cannot be done. Prints one JSON object: how often each kind of finding was tried, and every
claim that the kernel refuted, with its policy.
"""

import contextlib
import errno
import json
import os
import random
import shutil
import socket
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.engine import lint
from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock import kernel
from editor.landlock.rights import FS_RIGHTS, LATEST_ABI, NO_RIGHTS, in_order, rights_of, to_mask
from editor.landlock.ruleset import build, enforce
from editor.policy.model import Policy

ABI = min(kernel.query_abi(), LATEST_ABI)
RIGHTS = in_order(rights_of("fs", ABI))
MAKING = [right for right in RIGHTS if right.startswith("make_")]
REMOVING = [right for right in RIGHTS if right.startswith("remove_")]
# Rules are on these. Each has two directories without rules of their own, between which files can be moved.
TOP = ("a", "a/b", "home", "home/.ssh")
DIRECTORIES = (*TOP, *(f"{top}/{sub}" for top in TOP for sub in ("s1", "s2")))
# What is moved, with the type of file to create for it. Only root can create device files.
_DEVICES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK} if os.geteuid() == 0 else {}
MOVED = {"f": 0, "sub": 0, "symlink": 0, "fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, **_DEVICES}
MEMORY = "/dev/shm"  # a tmpfs, where creating many files is cheap
_DENIED = ("EACCES", "EXDEV", "EPERM")


class Act(NamedTuple):
    """Something to try: it must be denied, or (``allowed``) must not be."""

    what: str
    words: tuple[str, ...]
    allowed: bool


def random_policy(rng: random.Random, base: str) -> str:
    """Return a policy with rules on the tree at ``base``, its files, everything, and nothing."""
    lines = [f"abi = {rng.randint(1, ABI)}"]
    # What is handled decides about most findings: nothing more than is granted, a few rights, or nearly all.
    few = rng.sample(RIGHTS, rng.randint(1, 3))
    handled = rng.choice([[], few, few, [right for right in RIGHTS if rng.random() < 0.85], ["abi.all"]])
    if handled:
        lines += ["[[ruleset]]", f"handled_access_fs = {json.dumps(handled)}"]
    for _ in range(rng.randint(0 if handled else 1, 4)):
        rights = rng.choice(
            [
                rng.sample(RIGHTS, rng.randint(1, 3)),
                [right for right in RIGHTS if rng.random() < 0.7] or ["execute"],
                [rng.choice(["abi.read_execute", "abi.read_write", "abi.all"])],
                ["write_file", *rng.sample(["truncate", "read_file", "make_reg"], 1)],
                ["execute", *rng.sample(["read_file", "write_file", "read_dir"], 1)],
                [rng.choice(MAKING), *rng.sample([*REMOVING, "refer", "write_file"], 2)],
                ["refer"] if "refer" in RIGHTS else ["execute"],
            ]
        )
        places = [*TOP, *(f"{name}/f" for name in TOP), "", "", "a/gone", "link"]
        parents = [f"{base}/{rng.choice(places)}".rstrip("/") for _ in range(rng.choice([1, 1, 2]))]
        if rng.random() < 0.05:
            parents[0] = "/"
        lines += ["[[path_beneath]]", f"allowed_access = {json.dumps(rights)}", f"parent = {json.dumps(parents)}"]
    return "\n".join([*lines, ""])


def make_tree(base: str) -> None:
    """Create the directories, each with a file, a directory and files to remove."""
    for name in DIRECTORIES:
        os.makedirs(f"{base}/{name}", exist_ok=True)
        for file in ("f", "removed"):
            # Executable but of unknown format: an allowed execve(2) fails with ENOEXEC and needs no other file.
            with open(os.open(f"{base}/{name}/{file}", os.O_WRONLY | os.O_CREAT, 0o755), "wb") as stream:
                stream.write(b"\0\0\0\0 not a program")
        os.mkdir(f"{base}/{name}/sub")
        os.mkdir(f"{base}/{name}/emptied")
        for moved, mode in MOVED.items():
            if mode:
                os.mknod(f"{base}/{name}/{moved}", mode | 0o600, os.makedev(1, 3))
        os.symlink("f", f"{base}/{name}/symlink")
    os.symlink("a/b", f"{base}/link")


# What findings claim


def claims(finding: Finding, policy: Policy, base: str) -> Iterator[Act]:
    """Yield what to try for ``finding``."""
    place = _path_at(policy, finding)
    inside = [f"{base}/{name}" for name in DIRECTORIES]
    beneath = [name for name in inside if place and (name == place or name.startswith(place.rstrip("/") + "/"))]
    match finding.id:
        case "write-without-truncate":
            ruled = {parent.template for rule in policy.path_rules for parent in rule.parents}
            files = [place] if os.path.isfile(place) else [f"{place}/f"]
            yield from (Act("overwrite", (file,), False) for file in files if os.path.isfile(file)
                        and (file == place or file not in ruled))  # fmt: skip
        case "execute-without-read_file":
            files = [f"{name}/f" for name in beneath] or [place]
            yield from (Act("execute", (file,), False) for file in files if os.path.isfile(file))
        case "make-without-write":
            yield Act("create", (f"{place}/created",), False)
        case "write-and-execute":
            files = [f"{name}/f" for name in beneath] or [place]
            for file in filter(os.path.isfile, files):
                yield Act("write", (file,), True)
                yield Act("execute", (file,), True)
        case "refer-denied" | "refer-alone":
            yield from _moves(base, allowed=False)
            if finding.id == "refer-alone":
                yield from (
                    Act("link", act.words, False) for act in _moves(base, allowed=False) if act.words[0][-1] == "f"
                )
        case "never-granted":
            granted = NO_RIGHTS.union(*(rule.rights for rule in policy.path_rules))
            for right in in_order(policy.handled_fs - granted - {"refer"}):
                yield from (Act(right, (name,), False) for name in inside)
        case "unhandled-right":
            free = rights_of("fs", ABI) - policy.handled_fs - {"refer"}
            needed = {"execute": {"execute", "read_file"}}
            for right in in_order(free):
                if needed.get(right, {right}) <= free:
                    yield from (Act(right, (name,), True) for name in inside)
        case "root-readable" | "home-readable" | "credentials":
            yield Act("read_file", (f"{base}/home/.ssh",), True)
        case "root-writable" | "home-writable":
            yield Act("write_file", (f"{base}/home/.ssh",), True)
        case "policy-writable":
            word = "write" if " can write its file " in finding.message else "replace"
            yield Act(word, (f"{base}/policy.toml",), True)


def _moves(base: str, *, allowed: bool) -> Iterator[Act]:
    for number, (source, target) in enumerate(
        (one, other) for one in DIRECTORIES for other in DIRECTORIES if one != other
    ):
        for name in MOVED:
            yield Act("rename", (f"{base}/{source}/{name}", f"{base}/{target}/{name}{number}"), allowed)


def _path_at(policy: Policy, finding: Finding) -> str:
    """Return the path, without links, of the entry that ``finding`` is about; empty if it is about something else."""
    for rule in policy.path_rules:
        for parent in rule.parents:
            if parent.location == finding.location:
                return os.path.realpath(parent.template)
    return ""


# In the child


def attempt(act: Act) -> str | None:
    """Try ``act``; return the name of the error, None if there is none."""
    try:
        _ACTS[act.what](*act.words)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


def _execute(path: str) -> None:
    """Execute a file in another process, without the cost of fork(2), which copies the page tables of this one."""
    try:
        os.waitpid(os.posix_spawn(path, [path], {}), 0)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise


def _create(path: str) -> None:
    """Create a file for writing, which fails; what is left behind is part of the claim."""
    try:
        _open(path, os.O_WRONLY | os.O_CREAT)
    except PermissionError:
        if os.path.exists(path):
            raise
        raise FileNotFoundError(errno.ENOENT, "nothing was left behind") from None


def _bind(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        directory = os.open(os.path.dirname(path), os.O_PATH)
        made.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        os.close(directory)


def _replace(path: str) -> None:
    os.mknod(path + ".new", 0o600 | stat.S_IFREG)
    os.rename(path + ".new", path)


def _ioctl(path: str) -> None:
    raise FileNotFoundError(errno.ENOENT, path)  # there is no device in the tree


_ACTS: dict[str, Callable[..., object]] = {
    "overwrite": lambda path: _open(path, os.O_WRONLY | os.O_TRUNC),
    "write": lambda path: _open(path, os.O_WRONLY),
    "create": _create,
    "replace": _replace,
    "rename": os.rename,
    "link": os.link,
    # Named like the only right that each needs, in a directory.
    "execute": lambda path: _execute(path if os.path.isfile(path) else f"{path}/f"),
    "read_file": lambda path: _open(f"{path}/f", os.O_RDONLY),
    "write_file": lambda path: _open(f"{path}/f", os.O_WRONLY),
    "read_dir": os.listdir,
    "truncate": lambda path: os.truncate(f"{path}/f", 10),
    "remove_file": lambda path: os.unlink(f"{path}/removed"),
    "remove_dir": lambda path: os.rmdir(f"{path}/emptied"),
    "make_reg": lambda path: os.mknod(f"{path}/reg", 0o600 | stat.S_IFREG),
    "make_dir": lambda path: os.mkdir(f"{path}/dir"),
    "make_sym": lambda path: os.symlink("nowhere", f"{path}/sym"),
    "make_fifo": lambda path: os.mkfifo(f"{path}/fifo"),
    "make_sock": lambda path: _bind(f"{path}/sock"),
    "make_char": lambda path: os.mknod(f"{path}/char", 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
    "make_block": lambda path: os.mknod(f"{path}/block", 0o600 | stat.S_IFBLK, os.makedev(7, 0)),
    "ioctl_dev": _ioctl,
    "resolve_unix": _ioctl,
}
_ROOT_ONLY = ("make_char", "make_block")
_UNTRIED = ("ioctl_dev", "resolve_unix")


def under(resolved: ResolvedPolicy, acts: list[Act]) -> list[str | None]:
    """Return the errors of ``acts`` in a child process under the policy."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            enforce(build(resolved.ruleset()))
            with open(writing, "w") as stream:
                json.dump([attempt(act) for act in acts], stream)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading) as stream:
        text = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the restricted child failed")
    return list(json.loads(text))


# Rounds


def refuted(act: Act, error: str | None) -> bool:
    """Whether the kernel's answer contradicts the claim. Another error than Landlock's is no answer."""
    return error in _DENIED if act.allowed else error is None


def run_round(rng: random.Random, base: str, tally: Counter[str]) -> Iterator[dict[str, str]]:
    """Lint one random policy, try its findings, and yield those that the kernel refutes."""
    make_tree(base)
    text = random_policy(rng, base)
    file = f"{base}/policy.toml"
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    document = PolicyDocument.parse(text, file, "toml")
    policy, resolved = document.policy, resolve(document.policy)
    findings = lint(policy, resolved)
    tried = [(finding, act) for finding in findings for act in claims(finding, policy, base)
             if act.what not in _UNTRIED and (os.geteuid() == 0 or act.what not in _ROOT_ONLY)]  # fmt: skip
    # What is claimed to fail is tried first, since what succeeds changes the tree.
    tried.sort(key=lambda pair: pair[1].allowed)
    errors = under(resolved, [act for _, act in tried])
    for (finding, act), error in zip(tried, errors, strict=True):
        tally[finding.id] += 1
        if refuted(act, error):
            yield {"claim": f"{finding.id}: {finding.message}", "act": repr(act), "error": str(error), "policy": text}
    for finding in findings:
        if (why := static_refutation(finding, document, resolved)) is not None:
            tally[finding.id] += 1
            if why:
                yield {"claim": f"{finding.id}: {finding.message}", "act": why, "error": "", "policy": text}
    devices_only = not _DEVICES and any(rule.rights & {"make_char", "make_block"} for rule in policy.path_rules)
    if policy.handled_fs and not devices_only and not any(each.id.startswith("refer-") for each in findings):
        shutil.rmtree(base)
        make_tree(base)
        within = [Act("rename", (f"{base}/{name}/f", f"{base}/{name}/renamed"), True) for name in DIRECTORIES]
        across = list(_moves(base, allowed=True))
        answers = under(resolved, [*across, *within])
        tally["no refer finding"] += 1
        if None not in answers[: len(across)] and None in answers[len(across) :]:
            yield {"claim": "some move is possible", "act": "rename", "error": "", "policy": text}


def static_refutation(finding: Finding, document: PolicyDocument, resolved: ResolvedPolicy) -> str | None:
    """Return what refutes ``finding``, which is about building or reading: empty if nothing; None for other kinds."""
    place = _path_at(document.policy, finding)
    match finding.id:
        case "missing-path":
            return "it exists" if os.path.exists(place) else ""
        case "nothing-restricted":
            return "" if build(resolved.ruleset()).fd is None else "something is handled"
        case "file-right":
            names = finding.message.partition(": ")[2].removesuffix(" cannot be granted on it.").split(", ")
            return "".join(name for name in names if _takes(place, name))
        case "covered-rule":
            return _covered(finding, document, resolved)
    return None


def _takes(path: str, right: str) -> bool:
    """Whether the kernel takes a rule with ``right`` on ``path``."""
    mask = to_mask({right})
    ruleset, parent = kernel.create_ruleset(mask, 0, 0, ABI), os.open(path, os.O_PATH)
    try:
        kernel.add_path_rule(ruleset, parent, mask)
    except kernel.LandlockError:
        return False
    finally:
        os.close(ruleset)
        os.close(parent)
    return True


def _covered(finding: Finding, document: PolicyDocument, resolved: ResolvedPolicy) -> str:
    """Compare what the policy allows with and without the entry, by acts that change nothing."""
    with contextlib.suppress(EditError):
        without = document.apply(finding.fix[0])
        base = os.path.dirname(document.policy.path_rules[0].location.file)
        whats = ("read_file", "write_file", "read_dir", "truncate", "execute")
        acts = [Act(what, (f"{base}/{name}",), True) for what in whats for name in DIRECTORIES
                if os.path.exists(f"{base}/{name}/f")]  # fmt: skip
        answers = under(resolved, acts), under(resolve(without.policy), acts)
        return next((repr(act) for act, one, other in zip(acts, *answers, strict=True) if one != other), "")
    return ""


def main() -> None:
    """Run COUNT rounds and print the result."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)  # noqa: S311 reproducible cases, no secret
    tally: Counter[str] = Counter()
    found: list[dict[str, str]] = []
    assert {right.name for right in FS_RIGHTS} - {"refer"} <= _ACTS.keys()
    memory = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="paddock-claims-", dir=memory) as made:
        base = os.path.join(os.path.realpath(made), "tree")
        os.environ["HOME"] = f"{base}/home"
        for _ in range(count):
            found += run_round(rng, base, tally)
            shutil.rmtree(base)
            if len(found) >= 20:
                break
    json.dump({"tally": tally, "refuted": found}, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
