"""``java``: the Java in PATH, with its classes and settings."""

import re
from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, RUN, Place
from editor.suggest.promises.system import System

_COMMANDS = ("java", "javac", "jar", "jshell")
_LAUNCHER = "jspawnhelper"  # with it, Java starts other programs
_JAVAS = re.compile(r"/(?:[^/]+/)+?[^/]*(?:java|jdk|jre|jni)[^/]*(?=/)")
_MAX_DEPTH = 3


def java(system: System) -> Iterator[Place]:
    """Yield the programs, all of their home, and the settings elsewhere that links in it lead to."""
    for name in _COMMANDS:
        path = system.command(name)
        home = system.prefix(system.real(path) or path) if path else ""
        if path is None or not system.is_directory(f"{home}/lib"):
            continue
        yield Place(path, RUN, name)
        yield Place(f"{home}/lib", LIST, "classes and libraries of Java")
        yield Place(f"{home}/lib/{_LAUNCHER}", RUN, "starts other programs")
        for directory in ("conf", "jmods"):
            yield Place(f"{home}/{directory}", LIST, "settings and modules of Java")
        led_to = (where for directory in ("conf", "lib") for where in _led_to(system, home, directory))
        for where in dict.fromkeys(led_to):
            yield Place(where, LIST, "settings and files that links in Java's home lead to")


def _led_to(system: System, home: str, directory: str, depth: int = 0) -> Iterator[str]:
    """Yield where links in ``directory`` lead out of ``home``: a directory of Java's without secrets, else the file."""
    for name in system.names(f"{home}/{directory}"):
        path = f"{home}/{directory}/{name}"
        target = system.real(path)
        if target is None:
            continue
        if system.link(path) is None:
            if depth < _MAX_DEPTH and system.is_directory(path):
                yield from _led_to(system, home, f"{directory}/{name}", depth + 1)
        elif target.startswith(f"{home}/"):
            continue
        elif (of_java := _JAVAS.match(target)) and system.is_public_tree(of_java[0]):
            yield of_java[0]
        elif system.is_file(target) and system.is_public(target):
            yield target
