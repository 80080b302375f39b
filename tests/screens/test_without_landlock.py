"""Without Landlock, editing still works. A seccomp filter makes its system calls fail as on such a kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import asyncio, ctypes, errno, struct, sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# Load the number of the system call; 444 to 446 fail with the errno that was asked for, all else is allowed.
code = [(0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x35, 1, 0, 447), (0x06, 0, 0, ERRNO | getattr(errno, sys.argv[2])),
        (0x06, 0, 0, ALLOW)]
filter_ = b"".join(struct.pack("HBBI", *each) for each in code)
buffer = ctypes.create_string_buffer(filter_)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(program)) == 0, ctypes.get_errno()

from tests.screens.driving import app_for, opened, has_message, until, granted, main_screen

async def main():
    async with app_for(sys.argv[1]).run_test(size=(200, 60)) as pilot:
        workspace = await opened(pilot, "/usr/share")
        assert workspace.kernel.abi == 0
        await until(pilot, lambda: has_message(pilot, "You can edit and save, but not run"))
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, "/usr/share") == {"read_file", "read_dir"})
        await pilot.press("r")
        await until(pilot, lambda: has_message(pilot, "Cannot run the command"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not workspace.is_dirty)
        print(workspace.kernel.problem)

asyncio.run(main())
"""


@pytest.mark.parametrize("errno_name", ["ENOSYS", "EOPNOTSUPP"])
def test_editing_and_saving_work_and_running_reports_why_not(policy: Path, errno_name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(policy), errno_name],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    assert "/usr/share" in policy.read_text()
