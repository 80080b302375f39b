"""Comparison with strace(1): the same paths and errors, for the calls that both follow."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from editor.sandbox.calls.paths import normalize
from tests.sandbox.harness import everything, run

_ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C"}
_CALLS = (
    "open,openat,creat,execve,truncate,mkdir,mkdirat,unlink,unlinkat,rmdir,rename,renameat,renameat2,link,linkat,"
    "symlink,symlinkat,mknod,mknodat"
)
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+|\?)(?: (E\w+))?")
_NAME = re.compile(r'(?:(AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"')
_SKIPPED = re.compile(r"^/proc/\d+|^/proc/self|^/dev/pts|/tmp/(cc|gcc|git)|/\.git/objects/|tmp_obj|/\.git/t\w{6}$")

_COMMANDS = [
    "cat in/text none /etc/hostname",
    "ls -lR . /usr/lib/none",
    "cp -r in out/copy; mv out/copy out/moved; rm -r out/moved; mkdir out/a out; rmdir out/a",
    "ln in/text out/hard; ln -s none out/soft; cat out/soft; truncate -s 1 out/hard; mkfifo out/fifo",
    "sh -c 'cd in && cat text ../in/./text; . ./none' ; env true; nice true",
    "find . -type f -exec grep -l one {} +",
    "tar cf out/archive.tar in; tar xf out/archive.tar -C out",
    "make -f none; gcc -c -o out/main.o in/main.c",
    "perl -e 'print \"x\"'; awk 'BEGIN {}'; sed -n p in/text",
    "git init -q out/repository",
]


def _strace(command: str, cwd: str, log: str) -> set[tuple[str, str, str]]:
    """Return (call, absolute path, error) of everything that strace saw."""
    subprocess.run(
        ["strace", "-f", "-y", "-s", "5000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", log,
         "sh", "-c", command],
        cwd=cwd, env=_ENV, stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    with open(log, "rb") as file:
        text = os.fsdecode(file.read())
    # Join "<unfinished ...>" and "resumed" lines.
    begun: dict[str, str] = {}
    lines: list[str] = []
    for line in text.splitlines():
        pid = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in line and pid in begun:
            lines.append(begun.pop(pid) + line.split("resumed>", 1)[1])
        else:
            lines.append(line)
    found: set[tuple[str, str, str]] = set()
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        name, arguments, _, error = match.groups()
        if name == "execve":
            arguments = arguments.split(", [", 1)[0]
        names = _NAME.findall(arguments)
        if name in ("symlink", "symlinkat"):
            names = names[1:] if name == "symlink" else _NAME.findall(arguments.split('", ', 1)[1])
        for _directory, opened, path in names:
            base = opened or cwd
            absolute = path if path.startswith("/") else f"{base}/{path}"
            found.add((name, normalize(absolute), error or ""))
    return found


@pytest.mark.program("strace")
@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: command.split()[0])
def test_names_and_errors_match_strace(command: str, tmp_path: Path) -> None:
    seen: list[set[tuple[str, str, str]]] = []
    for turn in ("strace", "paddock"):
        top = Path(os.path.realpath(tmp_path)) / "work"
        (top / "in").mkdir(parents=True)
        (top / "out").mkdir()
        (top / "in" / "text").write_text("one\n")
        (top / "in" / "main.c").write_text("int x;\n")
        if turn == "strace":
            seen.append(_strace(command, str(top), str(tmp_path / "log")))
        else:
            done = run(everything(), "sh", "-c", command, cwd=str(top), env=_ENV)
            assert done.notices == []
            rows = done.report.accesses
            seen.append(
                {
                    (row.syscall, name or "", row.errno or "")
                    for row in rows
                    if row.syscall in _CALLS.split(",")
                    for name in dict.fromkeys((row.path, row.old_path or row.path))
                }
            )
        shutil.rmtree(top)
    theirs, ours = ({entry for entry in each if not _SKIPPED.search(entry[1])} for each in seen)
    # Interpreters and loaders have rows of their own here, while strace only reports the program.
    extra = {entry for entry in ours - theirs if entry[0] == "execve" and entry[1].startswith(("/lib", "/bin", "/usr"))}
    assert theirs - ours == set()
    assert ours - theirs - extra == set()
