"""Libraries: what ldd(1) finds by running the loader is found without running anything."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from editor.analysis.libraries import libraries
from editor.evaluation.execchain import ImageReader

_PROGRAMS = [
    "/bin/sh", "/bin/ls", "/bin/bash", "/usr/bin/python3", "/usr/bin/git", "/usr/bin/perl", "/usr/bin/find",
    "/usr/bin/gcc", "/usr/bin/ssh", "/usr/bin/curl", "/usr/bin/tmux", "/usr/bin/openssl", "/usr/bin/sqlite3",
]  # fmt: skip


def found(program: str, environment: Mapping[str, str], closed: tuple[str, ...] = ()) -> dict[str, str | None]:
    loader = ImageReader().read(program).loader
    assert loader is not None
    return {each.name: each.path for each in libraries(program, loader, lambda path: path not in closed, environment)}


def ldd(program: str, environment: Mapping[str, str]) -> dict[str, str | None]:
    done = subprocess.run(
        ["ldd", program], env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=True
    )
    answers: dict[str, str | None] = {}
    for line in done.stdout.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if arrow:
            answers[name] = None if path == "not found" else path.rsplit(" (", 1)[0]
    return answers


@pytest.mark.parametrize("program", _PROGRAMS)
def test_programs_of_this_system(program: str) -> None:
    if not os.path.exists(program) or shutil.which("ldd") is None:
        pytest.skip(f"needs {program} and ldd")
    real = os.path.realpath(program)
    expected = ldd(real, {})
    assert expected
    assert found(real, {}) == expected


def compiled(source: Path, target: Path, *options: str) -> str:
    subprocess.run(["gcc", "-o", target, source, *options], check=True, timeout=60)
    return os.fspath(target)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return bin/, lib/ with libouter.so, which needs libinner.so, and other/ with a second libinner.so."""
    for name in ("bin", "lib", "other", "broken"):
        os.mkdir(tmp_path / name)
    (tmp_path / "inner.c").write_text("int inner(void) { return 1; }\n")
    (tmp_path / "outer.c").write_text("int inner(void);\nint outer(void) { return inner(); }\n")
    (tmp_path / "main.c").write_text("int outer(void);\nint main(void) { return outer() != 1; }\n")
    for directory in ("lib", "other"):
        compiled(tmp_path / "inner.c", tmp_path / directory / "libinner.so", "-shared", "-fPIC")
    shared = ("-shared", "-fPIC", f"-L{tmp_path}/lib", "-linner")
    compiled(tmp_path / "outer.c", tmp_path / "lib" / "libouter.so", *shared)
    (tmp_path / "broken" / "libinner.so").write_bytes(b"\x7fELF" + bytes(100))
    return tmp_path


@pytest.mark.program("gcc")
@pytest.mark.parametrize(
    "case", ["runpath", "rpath", "origin", "environment", "broken first", "not found", "needed by path"]
)
def test_where_libraries_are_searched(case: str, tree: Path) -> None:
    options = [f"-L{tree}/lib", "-louter", f"-Wl,-rpath-link,{tree}/lib"]
    environment: dict[str, str] = {}
    if case == "runpath":  # not for what a library needs
        options += [f"-Wl,-rpath,{tree}/lib", "-Wl,--enable-new-dtags"]
    elif case == "rpath":
        options += [f"-Wl,-rpath,{tree}/lib", "-Wl,--disable-new-dtags"]
    elif case == "origin":
        options += ["-Wl,-rpath,$ORIGIN/../lib", "-Wl,--disable-new-dtags"]
    elif case == "environment":
        environment["LD_LIBRARY_PATH"] = f"{tree}/other:{tree}/lib"
    elif case == "broken first":
        environment["LD_LIBRARY_PATH"] = f"{tree}/none:{tree}/broken;{tree}/other:{tree}/lib"
    elif case == "needed by path":
        options[1] = f"{tree}/lib/libouter.so"
        environment["LD_LIBRARY_PATH"] = f"{tree}/other"
    program = compiled(tree / "main.c", tree / "bin" / "main", *options)
    expected = ldd(program, environment)
    ours = found(program, environment)
    if case == "needed by path":  # ldd prints such a library without an arrow
        assert ours.pop(f"{tree}/lib/libouter.so") == f"{tree}/lib/libouter.so"
    if case == "broken first":  # ldd stops there with an error; so does the loader
        assert expected in ({}, ours)
        return
    assert ours == expected
    starts = subprocess.run([program], env=environment, capture_output=True, check=False).returncode == 0
    assert starts == (None not in ours.values())
    assert starts == (case not in ("runpath", "not found"))


def compiled_main(tree: Path) -> str:
    options = (f"-L{tree}/lib", "-louter", f"-Wl,-rpath-link,{tree}/lib")
    return compiled(tree / "main.c", tree / "bin" / "main", *options)


@pytest.mark.program("gcc")
def test_a_library_that_may_not_be_read_is_passed_over(tree: Path) -> None:
    program = compiled(
        tree / "main.c", tree / "bin" / "main", f"-L{tree}/lib", "-louter", f"-Wl,-rpath-link,{tree}/lib"
    )
    environment = {"LD_LIBRARY_PATH": f"{tree}/other:{tree}/lib"}
    other, lib = f"{tree}/other/libinner.so", f"{tree}/lib/libinner.so"
    assert found(program, environment)["libinner.so"] == other
    assert found(program, environment, (other,))["libinner.so"] == lib
    assert found(program, environment, (other, lib))["libinner.so"] == other


@pytest.mark.program("gcc")
def test_preloaded_and_damaged(tree: Path) -> None:
    program = compiled(
        tree / "main.c", tree / "bin" / "main", f"-L{tree}/lib", "-louter", f"-Wl,-rpath-link,{tree}/lib"
    )
    environment = {"LD_LIBRARY_PATH": f"{tree}/lib", "LD_PRELOAD": f"{tree}/other/libinner.so"}
    assert found(program, environment)[f"{tree}/other/libinner.so"] == f"{tree}/other/libinner.so"
    loader = ImageReader().read(program).loader
    assert loader is not None
    content = Path(program).read_bytes()
    for size in (0, 10, 60, 100, 500, len(content) // 2):
        Path(program).write_bytes(content[:size])
        libraries(program, loader, lambda _: True, environment)
