"""``node``: Node.js in PATH, with the packages that are installed for everybody."""

from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, Place
from editor.suggest.promises.system import System

_PACKAGES = ("/usr/share/nodejs", "/usr/share/node_modules", "/usr/lib/nodejs", "/usr/share/npm")
_STARTERS = ("npm", "npx")


def node(system: System) -> Iterator[Place]:
    """Yield Node.js, its global packages and its settings, but not ~/.npmrc, which holds passwords of registries."""
    path = system.command("node") or system.command("nodejs")
    if path is None:
        return
    yield Place(path, RUN, "Node.js")
    prefix = system.prefix(path)
    for directory in (f"{prefix}/lib/node_modules", *_PACKAGES):
        yield Place(directory, LIST, "packages for everybody")
    for name in _STARTERS:
        if (starter := system.command(name)) is not None:
            yield Place(starter, RUN, f"{name}, a script")
            yield Place("/usr/bin/env", RUN, "starts such scripts")
    for settings in (f"{prefix}/etc/npmrc", "/etc/npmrc"):
        if system.is_without_password(settings):
            yield Place(settings, READ, "settings of npm")
    yield Place("/etc/ssl/openssl.cnf", READ, "settings of OpenSSL, without which Node.js does not start")
