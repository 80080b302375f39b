"""``java``: the Java in PATH, with its classes and settings."""

import os
import re
from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, Place
from editor.suggest.promises.system import System

_COMMANDS = ("java", "javac", "jar", "jshell")
_LAUNCHER = "jspawnhelper"  # with it, Java starts other programs
_SETTINGS = re.compile(r"/etc/[^/]*(java|jdk|jre)[^/]*/")
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
        yield Place(f"{home}/release", READ, "the version of Java")
        for directory in ("conf", "jmods"):
            yield Place(f"{home}/{directory}", LIST, "settings and modules of Java")
        led_to = (where for directory in ("conf", "lib") for where in _led_to(system, f"{home}/{directory}"))
        for where in dict.fromkeys(led_to):
            yield Place(where, LIST, "settings and files that links in Java's home lead to")


def _led_to(system: System, directory: str, depth: int = 0) -> Iterator[str]:
    """Yield where links in ``directory`` lead: the directory in /etc if nothing in it is secret, else the file."""
    for name in system.names(directory):
        path = os.path.join(directory, name)
        target = system.real(path)
        if target is None:
            continue
        if system.link(path) is None:
            if depth < _MAX_DEPTH and system.is_directory(path):
                yield from _led_to(system, path, depth + 1)
        elif _SETTINGS.match(target) and system.is_public_tree(own := "/".join(target.split("/")[:3])):
            yield own
        elif system.is_file(target) and system.is_public(target):
            yield target
