"""Save a policy file under every condition that the kernel can really produce, and check what is there afterwards."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.workspace.saving import (
    AlreadyExists,
    ChangedOnDisk,
    SaveError,
    SymlinkedPolicy,
    read_file,
    write_file,
    write_new,
)

OLD = b"# the old text\nabi = 6\n"
NEW = b"# the new text\nabi = 7\n"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_bytes(OLD)
    return path


def leftovers(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if name.startswith(".paddock-")]


def test_new_text_replaces_old_in_a_new_inode(policy: Path) -> None:
    before = policy.stat().st_ino
    with policy.open("rb") as reader:
        saved = write_file(str(policy), NEW, expected=OLD)
        assert reader.read() == OLD, "a process with the old file open must still read all of the old text"
    assert policy.read_bytes() == NEW
    assert saved == (str(policy), ())
    assert policy.stat().st_ino != before
    assert leftovers(policy.parent) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755])
def test_mode_is_preserved(policy: Path, mode: int) -> None:
    policy.chmod(mode)
    old_umask = os.umask(0o077)
    try:
        write_file(str(policy), NEW, expected=OLD)
    finally:
        os.umask(old_umask)
    assert stat.S_IMODE(policy.stat().st_mode) == mode


@needs_root
def test_root_preserves_owner_and_group(policy: Path) -> None:
    os.chown(policy, 1234, 4321)
    saved = write_file(str(policy), NEW, expected=OLD)
    status = policy.stat()
    assert (status.st_uid, status.st_gid) == (1234, 4321)
    assert saved.notes == ()


def test_extended_attributes_are_preserved(policy: Path) -> None:
    try:
        os.setxattr(policy, "user.note", b"kept")
    except OSError:
        pytest.skip("this filesystem has no user extended attributes")
    write_file(str(policy), NEW, expected=OLD)
    assert os.getxattr(policy, "user.note") == b"kept"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0, 0o644)])
def test_new_file_has_mode_0644_less_umask(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "new.toml"
    old_umask = os.umask(umask)
    try:
        write_file(str(path), NEW, expected=None)
    finally:
        os.umask(old_umask)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.stat().st_nlink == 1


def test_file_changed_on_disk_is_not_overwritten(policy: Path) -> None:
    policy.write_bytes(b"somebody else wrote this\n")
    with pytest.raises(ChangedOnDisk, match=r"policy\.toml changed on disk"):
        write_file(str(policy), NEW, expected=OLD)
    assert policy.read_bytes() == b"somebody else wrote this\n"
    write_file(str(policy), NEW, expected=OLD, force=True)
    assert policy.read_bytes() == NEW


def test_created_or_removed_file_counts_as_changed(tmp_path: Path, policy: Path) -> None:
    with pytest.raises(ChangedOnDisk):
        write_file(str(policy), NEW, expected=None)
    policy.unlink()
    with pytest.raises(ChangedOnDisk):
        write_file(str(policy), NEW, expected=OLD)
    assert os.listdir(tmp_path) == []


def test_symlink_is_followed_only_on_request(tmp_path: Path, policy: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "link.toml"
    link.symlink_to("../policy.toml")
    with pytest.raises(SymlinkedPolicy) as raised:
        write_file(str(link), NEW, expected=OLD)
    assert raised.value.target == str(policy)
    assert policy.read_bytes() == OLD
    saved = write_file(str(link), NEW, expected=OLD, follow_symlink=True)
    assert saved.path == str(policy)
    assert policy.read_bytes() == NEW
    assert os.readlink(link) == "../policy.toml", "the link itself must stay"


def test_saving_through_dangling_symlink_creates_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to("later.toml")
    write_file(str(link), NEW, expected=None, follow_symlink=True)
    assert (tmp_path / "later.toml").read_bytes() == NEW


def test_symlink_loop_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(SaveError, match=r"loop|Too many levels"):
        write_file(str(tmp_path / "a"), NEW, expected=None, follow_symlink=True)


def test_breaking_a_hard_link_is_reported(tmp_path: Path, policy: Path) -> None:
    os.link(policy, tmp_path / "other")
    saved = write_file(str(policy), NEW, expected=OLD)
    assert (tmp_path / "other").read_bytes() == OLD
    assert len(saved.notes) == 1
    assert "hard links" in saved.notes[0]


def test_only_regular_files_are_read_or_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(OSError, match=r"directory|regular"):
            read_file(str(path))
        with pytest.raises(SaveError, match=r"Nothing was written|not a regular file"):
            write_file(str(path), NEW, expected=None, force=True)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_hostile_name_is_escaped_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2Jred\n.toml"
    path.write_bytes(OLD)
    with pytest.raises(ChangedOnDisk) as raised:
        write_file(str(path), NEW, expected=None)
    assert str(raised.value).isprintable()
    assert "\\x1b[2Jred\\x0a.toml" in str(raised.value)


_AS_ORDINARY_USER = """
import os, sys
from editor.workspace.saving import write_file, SaveError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    saved = write_file(sys.argv[1], b"# the new text\\nabi = 7\\n", expected=b"# the old text\\nabi = 6\\n")
except SaveError as error:
    print("error", type(error).__name__, error)
else:
    print("saved", *saved.notes)
"""


def as_ordinary_user(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_ORDINARY_USER, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that an ordinary user can access, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@needs_root
def test_unwritable_directory_keeps_the_file_and_is_reported(shared: Path) -> None:
    path = shared / "policy.toml"
    path.write_bytes(OLD)
    path.chmod(0o666)
    answer = as_ordinary_user(path)
    assert answer.startswith("error SaveError Cannot write ")
    assert str(path) in answer
    assert "Permission denied. Nothing was written." in answer
    assert path.read_bytes() == OLD
    assert leftovers(shared) == []


@needs_root
def test_owner_that_cannot_be_preserved_is_reported(shared: Path) -> None:
    open_to_all = shared / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    path = open_to_all / "policy.toml"
    path.write_bytes(OLD)
    path.chmod(0o666)
    answer = as_ordinary_user(path)
    assert answer.startswith("saved ")
    assert "could not keep its owner 0 and group 0: it now belongs to 65534:65534" in answer
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small filesystem needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "policy.toml"
    path.write_bytes(OLD)
    with pytest.raises(SaveError, match=r"No space left on device\. Nothing was written\."):
        write_file(str(path), NEW + b"#" * 128 * 1024, expected=OLD)
    assert path.read_bytes() == OLD
    assert leftovers(small_disk) == []
    write_file(str(path), NEW, expected=OLD)
    assert path.read_bytes() == NEW


def test_read_only_filesystem_is_reported(small_disk: Path) -> None:
    path = small_disk / "policy.toml"
    path.write_bytes(OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(SaveError, match=r"Read-only file system\. Nothing was written\."):
        write_file(str(path), NEW, expected=OLD)
    assert path.read_bytes() == OLD


def test_existing_file_is_overwritten_only_on_request(policy: Path) -> None:
    with pytest.raises(AlreadyExists, match=r"policy\.toml already exists"):
        write_new(str(policy), NEW)
    assert policy.read_bytes() == OLD
    write_new(str(policy), NEW, overwrite=True)
    assert policy.read_bytes() == NEW
