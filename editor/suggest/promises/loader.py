"""``exec``: what starts a dynamically linked program, whatever program it is; with programs named, these as well."""

import functools
import os
import re
from collections.abc import Iterator, Sequence

from editor.escape import printable
from editor.evaluation.execchain import MAX_DEPTH, ImageReader
from editor.evaluation.loader_directories import is_musl, musl_directories, system_directories
from editor.suggest.promises.promise import READ, RUN, Place
from editor.suggest.promises.python import interpreter
from editor.suggest.promises.system import System

_ELF_MAGIC = b"\x7fELF"
# ld-linux-x86-64.so.2, ld-musl-aarch64.so.1, ld64.so.2 (PowerPC, S/390), ld.so.1 (MIPS).
_LOADER = re.compile(r"ld(-linux.*|-musl-.+|64)?\.so(\.\d+)?")
_LIBRARY = re.compile(r".+\.so(\.[\w.]+)?")
_LOADERS_PLACES = ("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib64")
_MAX_INCLUDES = 8  # files of ld.so.conf that include one another


def loader_and_programs(system: System, programs: Sequence[str] = ()) -> Iterator[Place]:
    """Yield the loaders, what they read, and ``programs`` with their interpreters."""
    loaders = _loaders(system)
    for loader in loaders:
        yield Place(loader, RUN, "ELF loader, which the kernel executes for a program")
    if loaders:
        yield Place("/etc/ld.so.cache", READ, "where the loader looks libraries up")
        yield Place("/etc/ld.so.preload", READ, "libraries that the loader adds to every program")
        for directory in library_directories(system):
            yield Place(directory, READ, "shared libraries")
    for program in programs:
        yield from _program(system, program)


@functools.lru_cache(maxsize=1)  # several promises ask one system
def library_directories(system: System) -> tuple[str, ...]:
    """Return the directories with shared libraries in them that loaders search: ld.so.conf's and their own."""
    searched = dict.fromkeys(_configured(system, "/etc/ld.so.conf"))
    for loader in _loaders(system):
        outside = system.outside(loader)
        if outside is not None:
            searched |= dict.fromkeys((musl_directories if is_musl(loader) else system_directories)(outside))
    return tuple(
        each
        for each in searched
        if any(_LIBRARY.fullmatch(name) and not _LOADER.fullmatch(name) for name in system.names(each))
    )


def _loaders(system: System) -> list[str]:
    """Return every ELF loader in the places where programs name one, each once."""
    found: dict[str, str] = {}
    for directory in _LOADERS_PLACES:
        for name in system.names(directory):
            path = os.path.join(directory, name)
            real = system.real(path) if _LOADER.fullmatch(name) else None
            if real is not None and real not in found and _is_elf(system, path):
                found[real] = path
    return list(found.values())


def _is_elf(system: System, path: str) -> bool:
    outside = system.outside(path)
    if outside is None or not system.is_file(path):
        return False
    try:
        with open(outside, "rb") as file:
            return file.read(4) == _ELF_MAGIC
    except OSError:
        return False


def _configured(system: System, file: str, depth: int = 0) -> Iterator[str]:
    """Yield the directories that ldconfig(8)'s ``file`` lists, in its order."""
    for line in system.lines(file):
        word, _, rest = line.partition(" ")
        if word != "include":
            yield line
        elif depth < _MAX_INCLUDES:
            for pattern in rest.split():
                for included in system.matches(os.path.join(os.path.dirname(file), pattern)):
                    yield from _configured(system, included, depth + 1)


def _program(system: System, program: str) -> Iterator[Place]:
    """Yield what executing ``program`` opens: the first of that name in PATH, and the interpreters of scripts."""
    reason = "the program"
    for _ in range(MAX_DEPTH):
        path = system.command(program)
        outside = system.outside(path) if path else None
        if path is None or outside is None:
            return
        yield Place(path, RUN, reason)
        yield from interpreter(system, path)
        script = ImageReader().read(outside).script
        if script is None:
            return
        reason = f"executes {printable(os.path.basename(path))}, a script"
        program = script
        if os.path.basename(script) == "env":
            yield Place(script, RUN, reason)
            program = _named_by_env(system, path)


def _named_by_env(system: System, script: str) -> str:
    """Return the program that ``#!/usr/bin/env [-S] [NAME=VALUE]... PROGRAM`` names; empty if none."""
    words = system.text(script).partition("\n")[0].split()[1:]
    return next((word for word in words if not word.startswith("-") and "=" not in word), "")
