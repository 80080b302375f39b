"""The environment for a command: what Paddock itself was started with."""

import os

# What Python sets LC_CTYPE to in the C locale, for itself and its children (PEP 538).
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def original_environment() -> dict[str, str]:
    """Return this process's environment without what the Python interpreter added at startup.

    With a locale that nobody set, programs would sort and print differently.
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
