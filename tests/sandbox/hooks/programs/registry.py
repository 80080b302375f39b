"""Where each program is listed with the policy that denies it."""

import os
from collections.abc import Callable
from typing import NamedTuple

from tests.sandbox.hooks.system import Place

Run = Callable[[Place], object]


class Dropped(Exception):
    """The kernel did not do it, and told nobody."""


class Program(NamedTuple):
    """One way: the rights that its policy handles, what it needs prepared, and paths of the place that are granted.

    ``free`` is false where it should not be tried without a sandbox.
    """

    run: Run
    rights: tuple[str, ...]
    prepared: str = ""
    granted: tuple[str, ...] = ()
    free: bool = True


PROGRAMS: dict[tuple[str, str], Program] = {}

ANY_RIGHT = ("make_sym",)  # any right makes a domain, which is all that matters for mounts and other processes


def way(
    hook: str, way: str, *rights: str, prepared: str = "", granted: tuple[str, ...] = (), free: bool = True
) -> Callable[[Run], Run]:
    """List a program as the one for ``way`` to ``hook``; the rest are the fields of its ``Program``."""

    def add(run: Run) -> Run:
        PROGRAMS[hook, way] = Program(run, rights, prepared, granted, free)
        return run

    return add


def path_bytes(path: str) -> bytes:
    """Return a path as a system call takes it."""
    return os.fsencode(path)
