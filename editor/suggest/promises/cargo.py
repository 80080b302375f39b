"""``cargo``: Rust's tools in PATH, with the standard library and the crates that were downloaded."""

import os
import tomllib
from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, USE, Place
from editor.suggest.promises.system import System

_TOOLS = ("cargo", "rustc", "rustdoc")
_LOCKS = (".package-cache", ".package-cache-mutate", ".global-cache")
_KEPT = ("registry", "git")


def cargo(system: System) -> Iterator[Place]:
    """Yield the tools and crates, but no file that holds a token, as ~/.cargo/credentials.toml does."""
    tools = [path for path in map(system.command, _TOOLS) if path is not None]
    for path in tools:
        yield Place(path, RUN, "a tool of Rust")
    if not tools:
        return
    yield from _rustup(system)
    for prefix in dict.fromkeys(system.prefix(system.real(path) or path) for path in tools):
        yield Place(f"{prefix}/lib/rustlib", LIST, "standard library of Rust")
    yield Place("/dev/null", USE, "what rustc gets as its input")
    yield Place("/usr/share/cargo", LIST, "crates of the distribution")
    given = system.environment.get("CARGO_HOME", "")
    for home in [given] if given.startswith("/") else system.in_home(".cargo"):
        for name in ("config.toml", "config"):
            if system.is_without_password(f"{home}/{name}"):
                yield Place(f"{home}/{name}", READ, "settings of cargo")
        for name in _KEPT:
            yield Place(f"{home}/{name}", LIST, "crates that were downloaded")
        for name in _LOCKS:
            yield Place(f"{home}/{name}", USE, "which cargo uses the crates")


def _rustup(system: System) -> Iterator[Place]:
    """Yield the toolchain that rustup starts by default."""
    given = system.environment.get("RUSTUP_HOME", "")
    for home in [given] if given.startswith("/") else system.in_home(".rustup"):
        settings = f"{home}/settings.toml"
        yield Place(settings, READ, "the toolchain that rustup starts")
        try:
            chosen = tomllib.loads(system.text(settings)).get("default_toolchain")
        except tomllib.TOMLDecodeError:
            continue
        if isinstance(chosen, str) and chosen and "/" not in chosen and chosen not in (".", ".."):
            toolchain = os.path.join(home, "toolchains", chosen)
            yield Place(f"{toolchain}/bin", RUN | LIST, "the tools of Rust that rustup starts")
            yield Place(f"{toolchain}/libexec", RUN | LIST, "tools that cargo starts")
            yield Place(f"{toolchain}/lib", LIST, "standard library of Rust")
