"""The directories in which ELF loaders search for libraries whatever a program says."""

import os
import re

# The directories that are compiled into glibc's loader lie one after the other in its data.
_SYSTEM_DIRECTORIES = re.compile(rb"(?:/[\w.+/-]+/\0){2,}")
_FALLBACK_DIRECTORIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


def is_musl(loader: str) -> bool:
    """Whether ``loader`` is musl's, by its name."""
    return os.path.basename(loader).startswith("ld-musl-")


def system_directories(loader: str) -> tuple[str, ...]:
    """Return the directories compiled into the glibc loader at ``loader``; the usual ones if it names none."""
    try:
        with open(loader, "rb") as file:
            lists = _SYSTEM_DIRECTORIES.findall(file.read())
    except OSError:
        lists = []
    for found in lists:
        directories = tuple(os.fsdecode(part).rstrip("/") for part in found.split(b"\0") if part)
        if "/usr/lib" in directories or "/usr/lib64" in directories:
            return directories
    return _FALLBACK_DIRECTORIES


def musl_directories(loader: str) -> tuple[str, ...]:
    """Return the directories of /etc/ld-musl-ARCH.path, a file beside the loader's, or the built-in ones."""
    name = os.path.basename(loader).partition(".")[0]
    path = os.path.join(os.path.dirname(os.path.dirname(loader)), "etc", f"{name}.path")
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except OSError:
        text = ""
    return tuple(text.replace("\n", ":").strip(":").split(":")) if text else ("/lib", "/usr/local/lib", "/usr/lib")
