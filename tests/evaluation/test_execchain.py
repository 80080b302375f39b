"""What a program file asks for: interpreters and ELF loaders."""

import os
import struct
from pathlib import Path

import pytest

from editor.evaluation.execchain import NO_IMAGE, Image, ImageReader


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\n", Image("/bin/sh", None)),
        (b"#!  /usr/bin/env   python3 -x\nrest", Image("/usr/bin/env", None)),
        (b"#!\t/bin/sh\t-e", Image("/bin/sh", None)),
        (b"#!relative\n", Image("relative", None)),
        (b"#!\n", NO_IMAGE),
        (b"#! \n/bin/sh", NO_IMAGE),
        (b"#!/\xff\n", Image("/\udcff", None)),
        (b"", NO_IMAGE),
        (b"echo no interpreter\n", NO_IMAGE),
        (b"\x7fELF", NO_IMAGE),
        (b"\x7fELF" + bytes(200), NO_IMAGE),
        (b"\x7fELF\x02\x01" + b"\xff" * 300, NO_IMAGE),
    ],
    ids=range(12),
)
def test_interpreter_of_a_program_file(content: bytes, expected: Image, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    assert ImageReader().read(str(program)) == expected


def test_loader_of_a_real_and_of_a_minimal_program(tmp_path: Path) -> None:
    loader = ImageReader().read(os.path.realpath("/bin/sh")).loader
    assert loader is not None
    assert os.path.exists(loader)
    header = b"\x7fELF\x01\x01" + bytes(22) + struct.pack("<I", 64) + bytes(10) + struct.pack("<HH", 32, 1)
    program = tmp_path / "small"  # 32 bits, with one PT_INTERP header
    program.write_bytes(header.ljust(64, b"\0") + struct.pack("<II8xI12x", 3, 96, 8) + b"/lib/ld\0")
    assert ImageReader().read(str(program)) == Image(None, "/lib/ld")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert ImageReader().read(str(tmp_path / "fifo")) == NO_IMAGE
    assert ImageReader().read(str(tmp_path)) == NO_IMAGE
    assert ImageReader().read(str(tmp_path / "none")) == NO_IMAGE


def test_replaced_program_is_read_again(tmp_path: Path) -> None:
    reader = ImageReader()
    program = tmp_path / "program"
    program.write_text("#!/bin/one\n")
    assert reader.read(str(program)).script == "/bin/one"
    program.write_text("#!/bin/other\n")
    assert reader.read(str(program)).script == "/bin/other"
