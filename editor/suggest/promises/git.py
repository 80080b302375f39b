"""``git``: Git in PATH, with its commands, templates and settings."""

from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, USE, Place
from editor.suggest.promises.system import System

_COMMANDS = ("lib/git-core", "libexec/git-core")
_SETTINGS = ("config", "ignore", "attributes")


def git(system: System) -> Iterator[Place]:
    """Yield Git and its settings, but no file that holds a password, as ~/.git-credentials does."""
    path = system.command("git")
    if path is None:
        return
    yield Place(path, RUN, "Git")
    for name in _COMMANDS:
        yield Place(f"{system.prefix(path)}/{name}", RUN | LIST, "the commands of Git")
    yield Place(f"{system.prefix(path)}/share/git-core", LIST, "templates of new repositories")
    yield Place("/etc/gitconfig", READ, "settings for everybody")
    yield Place("/dev/null", USE, "opened by Git at each start")
    given = system.environment.get("XDG_CONFIG_HOME", "")
    kept = [f"{given}/git"] if given.startswith("/") else system.in_home(".config/git")
    for file in (*system.in_home(".gitconfig"), *(f"{each}/{name}" for each in kept for name in _SETTINGS)):
        if system.is_without_password(file):
            yield Place(file, READ, "your settings")
