"""``locale`` and ``time``: how people of a place read, write and tell the time."""

import os
from collections.abc import Iterator

from editor.suggest.promises.loader import library_directories
from editor.suggest.promises.promise import LIST, READ, Place
from editor.suggest.promises.system import System


def locale(system: System) -> Iterator[Place]:
    """Yield what setlocale(3), gettext(3) and iconv(3) read; they open the directories of messages, too."""
    yield Place("/usr/lib/locale", LIST, "locales")
    yield Place("/usr/share/locale", LIST, "translations")
    yield Place("/usr/share/locale-langpack", LIST, "translations")
    yield Place("/usr/share/locale/locale.alias", READ, "other names of locales")
    yield Place("/usr/share/i18n", LIST, "character sets")
    for directory in library_directories(system):
        yield Place(os.path.join(directory, "gconv"), READ, "conversions between character sets")


def time(system: System) -> Iterator[Place]:  # noqa: ARG001
    """Yield what localtime(3) reads; ICU searches the directory for the name of the zone."""
    yield Place("/etc/localtime", READ, "the time zone of this system")
    yield Place("/etc/timezone", READ, "the name of the time zone")
    yield Place("/usr/share/zoneinfo", LIST, "time zones")
