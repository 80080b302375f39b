"""The environment that a command gets: the one that Paddock was given."""

import os

# What Python sets LC_CTYPE to for itself, and for all that it starts, in the C locale (PEP 538).
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def original_environment() -> dict[str, str]:
    """This process's environment without what the Python interpreter added to it when it started.

    Programs would sort and print differently with a locale that nobody asked for.
    """
    environment = dict(os.environ)
    if environment.get("LC_CTYPE") in _COERCED:
        try:
            with open("/proc/self/environ", "rb") as file:
                given = file.read().split(b"\0")
        except OSError:
            return environment
        if not any(entry.startswith(b"LC_CTYPE=") for entry in given):
            del environment["LC_CTYPE"]
    return environment
