"""What executing a program opens: interpreters, the ELF loader, with libraries if asked; and if a policy allows it."""

import os
import shlex
import shutil
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from editor.analysis.libraries import libraries
from editor.evaluation.decider import Decider
from editor.evaluation.execchain import MAX_DEPTH, ImageReader
from editor.landlock.rights import NO_RIGHTS, RightSet, in_order
from editor.policy.model import RuleRef

Role = Literal["program", "interpreter", "command", "shell", "loader", "library"]

EXECUTING: RightSet = frozenset({"execute", "read_file"})
_LOADING: RightSet = frozenset({"read_file"})
_ELF = b"\x7fELF"
_REGISTERED = "opened when it was registered with binfmt_misc, so Landlock is not asked"
_SHELL = "/bin/sh"  # runs a script without a #! line, as execvp(3) and `paddock run` do


class OpenedFile(NamedTuple):
    """A file that is opened so that a program can start.

    ``path`` is its name as ``needed_by`` (empty for the program itself) spells it, ``object_path`` what that leads to,
    None if there is no such file. ``rights`` are needed on it, and of these no rule grants ``missing``. A ``command``
    is what env(1) executes for a script.
    """

    role: Role
    path: str
    needed_by: str
    object_path: str | None
    rights: RightSet
    missing: RightSet = NO_RIGHTS
    decided_by: tuple[RuleRef, ...] = ()
    reason: str = ""

    @property
    def verdict(self) -> Literal["allowed", "denied", "not found"]:
        """Whether the policy lets it be opened."""
        return "not found" if self.object_path is None else "denied" if self.missing else "allowed"

    def to_json(self) -> dict[str, Any]:
        """Return an element of ``opens`` in what ``paddock explain --format json`` prints."""
        return {
            "role": self.role,
            "path": self.path,
            "needed_by": self.needed_by or None,
            "object": self.object_path,
            "rights": in_order(self.rights),
            "missing": in_order(self.missing),
            "verdict": self.verdict,
            "decided_by": [ref._asdict() for ref in self.decided_by],
            "reason": self.reason,
        }


def is_program(path: str) -> bool:
    """Whether ``path`` is a file meant to be executed: data and shared libraries are not, even if they may be."""
    if not os.path.isfile(path) or not os.access(path, os.X_OK) or ".so" in os.path.basename(path):
        return False
    return _head(path).startswith((_ELF, b"#!"))


def find_command(name: str) -> str | None:
    """Return the file in PATH that a shell would execute for ``name``, None if there is none."""
    return shutil.which(name) if "/" not in name else None


def opened_files(program: str, decider: Decider, *, with_libraries: bool = False) -> tuple[OpenedFile, ...]:
    """Return what executing ``program`` opens, in order, and what the policy says of each; nothing is executed."""
    found: dict[tuple[Role, str], OpenedFile] = {}
    for file in _Opening(decider, with_libraries=with_libraries).execute(program, "program", "", 0):
        found.setdefault((file.role, file.path), file)
    return tuple(found.values())


class _Opening:
    def __init__(self, decider: Decider, *, with_libraries: bool) -> None:
        self._decider = decider
        self._with_libraries = with_libraries
        self._images = ImageReader()

    def execute(
        self, path: str, role: Role, needed_by: str, depth: int, *, is_open: bool = False
    ) -> Iterator[OpenedFile]:
        """Yield ``path`` and what it needs. ``is_open``: the kernel has it open already, so Landlock is not asked."""
        opened = self._open(role, path, needed_by, EXECUTING)
        yield opened._replace(missing=NO_RIGHTS, decided_by=(), reason=_REGISTERED) if is_open else opened
        if not os.path.isfile(path) or depth > MAX_DEPTH:
            return
        image = self._images.read(path)
        if image.script is not None:
            yield from self.execute(image.script, "interpreter", path, depth + 1, is_open=image.is_open)
            command = _command_of_env(path) if os.path.basename(image.script) == "env" else None
            if command is not None:
                yield from self.execute(command, "command", image.script, depth + 1)
        elif image.loader is not None:
            yield self._open("loader", image.loader, path, EXECUTING)
            if self._with_libraries:
                for library in libraries(path, image.loader, self._may_read, os.environ):
                    yield self._open("library", library.path or library.name, library.needed_by, _LOADING)
        elif (head := _head(path)) and not head.startswith(_ELF):
            yield from self.execute(_SHELL, "shell", path, depth + 1)

    def _may_read(self, path: str) -> bool:
        return self._decider.file(path, _LOADING).allowed

    def _open(self, role: Role, path: str, needed_by: str, rights: RightSet) -> OpenedFile:
        if not os.path.isfile(path):
            where = "no directory that the loader searches has it" if role == "library" else "there is no such file"
            return OpenedFile(role, path, needed_by, None, rights, reason=where)
        decision = self._decider.file(path, rights)
        return OpenedFile(
            role, path, needed_by, decision.object, rights, decision.missing, decision.decided_by, decision.reason
        )


def _head(path: str) -> bytes:
    """Return the first bytes of a file, none if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4)
    except OSError:
        return b""


def _command_of_env(script: str) -> str | None:
    """Return the program that ``#!/usr/bin/env NAME`` or ``#!/usr/bin/env -S NAME ...`` executes, if PATH has it."""
    with open(script, "rb") as file:
        _, _, words = os.fsdecode(file.readline(256)).strip().removeprefix("#!").strip().partition(" ")
    words = words.strip()
    if words.startswith("-S"):
        try:
            parts = shlex.split(words[2:])
        except ValueError:
            return None
    else:
        parts = [words]  # the kernel passes all of it as one argument
    name = next((part for part in parts if part and not part.startswith("-") and "=" not in part), None)
    return name if name is None or "/" in name else find_command(name)
