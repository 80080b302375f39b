"""Trees of packages are told by what is in them."""

import os
import sysconfig
from pathlib import Path

import pytest

from editor.suggest.trees import Tree, Trees

TREES: dict[str, tuple[str, list[str]]] = {
    "lib/python4.2": ("Python's modules", ["os.py", "encodings/utf_8.py"]),
    "project/venv": ("Python's modules", ["pyvenv.cfg", "lib/x.py"]),
    "python/site-packages": ("Python's modules", ["package/__init__.py"]),
    "project/node_modules": ("Node's modules", ["package/package.json"]),
    "types/node_modules": ("Node's modules", ["@scope/package/package.json"]),
    "cargo/registry": (
        "Cargo's packages",
        ["src/index/crate/Cargo.toml", "cache/index/x.crate", "index/x/config.json"],
    ),
    "toolchains/stable": ("the Rust toolchain", ["bin/rustc", "lib/rustlib/components"]),
    "java-99": ("the Java runtime", ["release", "lib/modules", "bin/java"]),
    "zoneinfo": ("locale and time zones", ["tzdata.zi", "Europe/Paris"]),
    "lib/git-core": ("Git's programs", ["git-remote-http"]),
    "project/.git": ("the Git repository", ["HEAD", "objects/x", "refs/x"]),
    "perl-base": ("Perl's modules", ["strict.pm"]),
    "gcc/99": ("the compiler's files", ["libgcc.a"]),
    "include": ("headers", ["stdio.h", "sys/types.h"]),
    "share/locale": ("locale and time zones", ["locale.alias", "de/x"]),
    "share/terminfo": ("terminal descriptions", ["x/xterm"]),
    "share/fonts": ("fonts", ["truetype/a.ttf"]),
    "ssl/certs": ("certificate authorities", ["ca-certificates.crt"]),
    "share/man": ("manual pages", ["man1/ls.1.gz"]),
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_recognised_from_anywhere_in_it(tmp_path: Path, name: str) -> None:
    purpose, files = TREES[name]
    for file in files:
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).touch()
    for file in files:
        assert Trees().around(os.path.dirname(tmp_path / name / file)) == Tree(f"{tmp_path}/{name}", purpose)


@pytest.mark.parametrize("name", ["node_modules", "include", "registry", "src", "locale"])
def test_a_name_alone_makes_no_tree(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "src").mkdir(parents=True)
    (tmp_path / name / "file").touch()
    assert Trees().around(f"{tmp_path}/{name}") is None


def test_the_outermost_tree_counts(tmp_path: Path) -> None:
    for name in ("a", "a/node_modules/b"):
        (tmp_path / "node_modules" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "node_modules" / name / "package.json").touch()
    root = f"{tmp_path}/node_modules"
    assert Trees().around(f"{root}/a/node_modules/b") == Tree(root, "Node's modules")


def test_the_standard_library_of_this_system_is_a_tree() -> None:
    root = os.path.realpath(sysconfig.get_path("stdlib"))
    assert Trees().around(f"{root}/json") == Tree(root, "Python's modules")


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/usr/lib", "/usr/local", "/usr/share", "/usr/bin", "/etc", "/proc", "/tmp"]
)
def test_what_holds_many_packages_is_no_tree(path: str) -> None:
    assert Trees().around(os.path.realpath(path)) is None


def test_a_packages_own_directory_is_named_after_it() -> None:
    assert Trees().around("/usr/share/doc/base-files") == Tree("/usr/share/doc", "files of doc")


def test_libraries_of_all_packages_are_no_tree() -> None:
    for name in os.listdir("/usr/lib"):
        if name.endswith("-linux-gnu"):
            assert Trees().around(f"/usr/lib/{name}") is None


@pytest.mark.root
def test_files_of_another_user_are_no_tree(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca-certificates.crt").touch()
    os.chown(tmp_path / "certs", 65534, 65534)
    assert Trees().around(f"{tmp_path}/certs") is None


def test_what_is_not_there_is_no_tree() -> None:
    assert Trees().around("/nowhere/node_modules/package") is None
