"""``node``: Node.js in PATH, with the packages that are installed for everybody."""

from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, Place
from editor.suggest.promises.system import System

_PACKAGES = ("/usr/share/nodejs", "/usr/share/node_modules", "/usr/lib/nodejs", "/usr/share/npm")
_STARTERS = ("npm", "npx")


def node(system: System) -> Iterator[Place]:
    """Yield Node.js, its global packages and its settings, but not ~/.npmrc, which holds passwords of registries."""
    for name in ("node", "nodejs"):
        for path in system.commands(name):
            yield Place(path, RUN, "Node.js")
            prefix = system.prefix(path)
            yield Place(f"{prefix}/lib/node_modules", LIST, "packages for everybody")
            yield from _settings(system, f"{prefix}/etc/npmrc")
    for name in _STARTERS:
        for path in system.commands(name):
            yield Place(path, RUN, f"{name}, a script")
            yield Place("/usr/bin/env", RUN, "starts such scripts")
    if system.commands("node") or system.commands("nodejs"):
        for directory in _PACKAGES:
            yield Place(directory, LIST, "packages for everybody")
        yield from _settings(system, "/etc/npmrc")
        yield Place("/etc/ssl/openssl.cnf", READ, "settings of OpenSSL, without which Node.js does not start")


def _settings(system: System, path: str) -> Iterator[Place]:
    if system.is_without_password(path):
        yield Place(path, READ, "settings of npm")
