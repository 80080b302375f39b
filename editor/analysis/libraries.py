"""The shared libraries that the ELF loader would load for a program, found without running anything.

The search is that of glibc (ld.so(8), elf/dl-load.c), which ldd(1) shows, or of musl (ldso/dynlink.c). Libraries that a
program loads later with dlopen(3) cannot be known.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from editor.evaluation.loader_directories import is_musl, musl_directories, system_directories

_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER, _CACHE_ENTRY = 48, struct.Struct("=iIIIQ")
_PRELOAD = "/etc/ld.so.preload"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH, _DT_FLAGS_1 = 1, 5, 14, 15, 29, 0x6FFFFFFB
_DF_1_NODEFLIB = 0x800
_MAX_TABLE = 1 << 20  # bytes of a dynamic section or a string: more is a damaged file
_MAX_LIBRARIES = 4096

# What a processor needs for a level of glibc-hwcaps (x86_64), as /proc/cpuinfo spells it; each includes the one before.
_LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)


class Library(NamedTuple):
    """A library that ``needed_by`` asks for: its name, and the path that is opened, None if there is none."""

    name: str
    path: str | None
    needed_by: str


class _Elf(NamedTuple):
    """What the loader reads of an ELF file. ``kind`` is its class, byte order and machine."""

    kind: tuple[int, int, int]
    needed: tuple[str, ...]
    name: str
    rpath: str
    runpath: str
    no_default: bool


class _Loaded(NamedTuple):
    """A file that the loader has mapped: the path that it opened, and what asked for it."""

    path: str
    elf: _Elf
    parent: "_Loaded | None"


def libraries(
    program: str, loader: str, may_read: Callable[[str], bool], environment: Mapping[str, str]
) -> tuple[Library, ...]:
    """Return what ``loader`` would load for the ELF file ``program``, in its order.

    The loader passes over a file that it may not read, as ``may_read`` says, and searches on; if it finds no other, the
    first such file is returned.
    """
    real = os.path.realpath(program)
    elf = _read_elf(real)
    if elf is None:
        return ()
    search = _Search(elf.kind, loader, may_read, environment)
    own = _read_elf(loader)
    known = {os.path.basename(loader), *([own.name] if own is not None else [])}
    root = _Loaded(real, elf, None)
    waiting = [(name, root) for name in (*search.preloaded, *elf.needed)]
    found: list[Library] = []
    for name, parent in waiting:
        if name in known or len(found) == _MAX_LIBRARIES:
            continue
        known.add(name)
        path = search.find(name, parent)
        found.append(Library(name, path, parent.path))
        inner = None if path is None else _read_elf(path)
        if path is not None and inner is not None:
            known.add(inner.name)
            loaded = _Loaded(path, inner, parent)
            waiting += [(needed, loaded) for needed in inner.needed]
    return tuple(found)


class _Search:
    """The directories and files that one loader searches for libraries of one kind."""

    def __init__(
        self, kind: tuple[int, int, int], loader: str, may_read: Callable[[str], bool], environment: Mapping[str, str]
    ) -> None:
        self._kind = kind
        self._may_read = may_read
        self._given = _split(environment.get("LD_LIBRARY_PATH", "").replace(";", ":"))
        self._is_musl = is_musl(loader)
        if self._is_musl:
            self._cached: dict[str, list[str]] = {}
            self._levels: tuple[str, ...] = ()
            self._default = musl_directories(loader)
        else:
            self._cached = _read_cache() if may_read(_CACHE) else {}
            self._levels = _supported_levels()
            self._default = system_directories(loader)
        preloaded = environment.get("LD_PRELOAD", "").replace(":", " ").split()
        if not self._is_musl and may_read(_PRELOAD):
            preloaded += _read_text(_PRELOAD).replace(":", " ").split()
        self.preloaded = tuple(preloaded)

    def find(self, name: str, parent: _Loaded) -> str | None:
        """Return the path that the loader opens for ``name``, which ``parent`` needs."""
        refused = None
        for path in self._candidates(name, parent):
            elf = _read_elf(path)
            if elf is None or elf.kind != self._kind:
                continue
            if self._may_read(path):
                return path
            refused = refused or path
        return refused

    def _candidates(self, name: str, parent: _Loaded) -> Iterator[str]:
        if "/" in name:
            yield from (os.path.abspath(path) for path in self._expanded(name, parent))
            return
        before, after = self._run_paths(parent)
        no_default = parent.elf.no_default and not self._is_musl
        for directory in (*before, *self._given, *after):
            yield from self._in(directory, name)
        for path in self._cached.get(name, ()):
            level = _level_of(path)
            if (not level or level in self._levels) and not (no_default and os.path.dirname(path) in self._default):
                yield path
        if not no_default:
            for directory in self._default:
                yield from self._in(directory, name)

    def _run_paths(self, parent: _Loaded) -> tuple[list[str], list[str]]:
        """Return the directories that the files themselves name, before and after those of the environment."""
        before: list[str] = []
        after: list[str] = []
        if self._is_musl:
            here: _Loaded | None = parent
            while here is not None:
                after += self._expanded_all(here.elf.runpath or here.elf.rpath, here)
                here = here.parent
            return before, after
        if not parent.elf.runpath:
            here = parent
            while here is not None:
                before += [] if here.elf.runpath else self._expanded_all(here.elf.rpath, here)
                here = here.parent
        return before, self._expanded_all(parent.elf.runpath, parent)

    def _in(self, directory: str, name: str) -> Iterator[str]:
        for level in self._levels:
            yield os.path.join(directory, "glibc-hwcaps", level, name)
        yield os.path.join(directory or ".", name)

    def _expanded_all(self, text: str, loaded: _Loaded) -> list[str]:
        return [path for directory in _split(text) for path in self._expanded(directory, loaded)]

    def _expanded(self, text: str, loaded: _Loaded) -> list[str]:
        """Return ``text`` with $ORIGIN, $LIB and $PLATFORM replaced: $LIB by every name that systems use."""
        for token, value in (("ORIGIN", os.path.dirname(loaded.path)), ("PLATFORM", os.uname().machine)):
            text = text.replace(f"${{{token}}}", value).replace(f"${token}", value)
        if "$LIB" not in text and "${LIB}" not in text:
            return [text]
        names = dict.fromkeys(each.removeprefix("/usr").strip("/") for each in self._default)
        return [text.replace("${LIB}", name).replace("$LIB", name) for name in names]


def _split(text: str) -> list[str]:
    return [directory or "." for directory in text.split(":")] if text else []


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _supported_levels() -> tuple[str, ...]:
    """Return the levels of glibc-hwcaps that this processor has, the best first."""
    flags = re.search(r"^flags\s*:(.*)$", _read_text("/proc/cpuinfo"), re.MULTILINE)
    has = set(flags[1].split()) if flags else set[str]()
    levels: list[str] = []
    for level, needed in _LEVELS:
        if not has.issuperset(needed.split()):
            break
        levels.insert(0, level)
    return tuple(levels)


def _level_of(path: str) -> str:
    directory = os.path.dirname(path)
    return os.path.basename(directory) if os.path.basename(os.path.dirname(directory)) == "glibc-hwcaps" else ""


def _read_cache() -> dict[str, list[str]]:
    """Return the paths that ldconfig(8) found for each library, better ones first (sysdeps/generic/dl-cache.h)."""
    try:
        with open(_CACHE, "rb") as file:
            data = file.read()
    except OSError:
        return {}
    start = data.find(_CACHE_MAGIC)  # an older format may come first
    if start < 0:
        return {}
    found: dict[str, list[str]] = {}
    (count,) = struct.unpack_from("=I", data, start + len(_CACHE_MAGIC))
    end = start + _CACHE_HEADER + count * _CACHE_ENTRY.size
    for _flags, key, value, _version, _hwcap in _CACHE_ENTRY.iter_unpack(data[start + _CACHE_HEADER : end]):
        name, path = (os.fsdecode(data[start + at : data.find(b"\0", start + at)]) for at in (key, value))
        found.setdefault(name, []).append(path)
    for paths in found.values():
        paths.sort(key=_level_of, reverse=True)
    return found


def _read_elf(path: str) -> _Elf | None:
    """Return what the loader reads of the regular file ``path``; None if it is missing, closed or not ELF."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            return _parse(file.fileno())
    except (OSError, struct.error, OverflowError, ValueError):
        return None


def _parse(file: int) -> _Elf | None:
    head = os.pread(file, 64, 0)
    if len(head) < 52 or head[:4] != b"\x7fELF":
        return None
    wide = head[4] == 2
    order = "<" if head[5] == 1 else ">"
    word = order + ("Q" if wide else "I")
    (machine,) = struct.unpack_from(order + "H", head, 18)
    (offset,) = struct.unpack_from(word, head, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    at_offset, at_address, at_size = (8, 16, 32) if wide else (4, 8, 16)
    loads: list[tuple[int, int, int]] = []
    dynamic = b""
    headers = os.pread(file, size * count, offset)
    for start in range(0, len(headers) - size + 1, size) if size else ():
        (kind,) = struct.unpack_from(order + "I", headers, start)
        place, address, length = (
            struct.unpack_from(word, headers, start + at)[0] for at in (at_offset, at_address, at_size)
        )
        if kind == _PT_LOAD:
            loads.append((address, length, place))
        elif kind == _PT_DYNAMIC:
            dynamic = os.pread(file, min(length, _MAX_TABLE), place)
    pair = struct.Struct(order + ("qQ" if wide else "iI"))
    entries = list(pair.iter_unpack(dynamic[: len(dynamic) // pair.size * pair.size]))
    end = next((at for at, (tag, _) in enumerate(entries) if tag == 0), len(entries))
    values = dict(entries[:end])
    strings = values.get(_DT_STRTAB, 0)
    base = next((strings - start + place for start, length, place in loads if start <= strings < start + length), -1)

    def text(at: int | None) -> str:
        return "" if at is None or base < 0 else os.fsdecode(os.pread(file, 4096, base + at).split(b"\0", 1)[0])

    return _Elf(
        (head[4], head[5], machine),
        tuple(text(value) for tag, value in entries[:end] if tag == _DT_NEEDED),
        text(values.get(_DT_SONAME)),
        text(values.get(_DT_RPATH)),
        text(values.get(_DT_RUNPATH)),
        bool(values.get(_DT_FLAGS_1, 0) & _DF_1_NODEFLIB),
    )
