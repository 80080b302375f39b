"""``paddock promise``: what it lists and explains, and what it writes into policies."""

import os
from pathlib import Path

from editor.suggest.promises.catalogue import CATALOGUE
from tests.cli.harness import json_of, paddock, write
from tests.suggest.promises.enforced import EMPTY


def test_it_lists_every_promise() -> None:
    done = paddock("promise")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.split("\n\n")[0].splitlines()]
    assert names == list(CATALOGUE)
    listed = json_of(paddock("promise", "--format", "json"))["promises"]
    assert [each["name"] for each in listed] == names
    assert all(bool(each["paths"] or each["ports"]) == each["found"] for each in listed)


def test_it_explains_each_path() -> None:
    done = paddock("promise", "dns")
    assert done.returncode == 0
    rows = [line for line in done.stdout.splitlines() if line.startswith("  /etc/hosts ")]
    assert [row.split() for row in rows] == [["/etc/hosts", "read_file", "names", "given", "there"]]
    explained = json_of(paddock("promise", "dns", "--format", "json"))
    (hosts,) = (each for each in explained["paths"] if each["path"] == "/etc/hosts")
    assert hosts == {
        "path": "/etc/hosts",
        "target": "/etc/hosts",
        "rights": ["read_file"],
        "reason": "names given there",
    }
    assert {each["port"] for each in explained["ports"]} == {0, 53}


def test_it_adds_rules_under_a_comment_once(tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", EMPTY)
    done = paddock("promise", "dns", file)
    assert done.returncode == 0, done.stderr
    assert "  + /etc/hosts  read_file\n" in done.stdout
    assert "  + port 53  connect_tcp\n" in done.stdout
    assert "does not restrict it: bind_udp, connect_send_udp." in done.stdout
    text = (tmp_path / "policy.toml").read_text()
    assert text.startswith(EMPTY)
    assert text.count("# promise: dns\n") == 2
    assert paddock("check", file).returncode == 0
    again = paddock("promise", "dns", file)
    assert "nothing to change" in again.stdout
    assert (tmp_path / "policy.toml").read_text() == text


def test_it_takes_away_what_the_system_no_longer_has(tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", EMPTY)
    paddock("promise", "dns", file)
    text = (tmp_path / "policy.toml").read_text()
    write(file, text.replace('"/etc/hosts"', '"/etc/hosts.gone"'))
    done = paddock("promise", "dns", file, "--format", "json")
    assert json_of(done) == {
        "file": file,
        "promise": "dns",
        "added": [["read_file", "/etc/hosts"]],
        "removed": [["read_file", "/etc/hosts.gone"]],
        "notes": ["Left out, because the policy does not restrict it: bind_udp, connect_send_udp."],
    }
    assert '"/etc/hosts.gone"' not in (tmp_path / "policy.toml").read_text()
    assert '"/etc/hosts"' in (tmp_path / "policy.toml").read_text()


def test_refresh_brings_all_promises_up_to_date_and_nothing_else(tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", EMPTY)
    paddock("promise", "exec", file, "--", "true")
    done = paddock("promise", "getpw", file)
    assert "Left out, because other rules grant it: " in done.stdout
    text = (tmp_path / "policy.toml").read_text()
    own = '\n# promise: none\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/etc/hosts"]\n'
    write(file, text.replace('"/etc/passwd"', '"/gone"').replace('"/usr/bin/true", ', "") + own)
    done = paddock("promise", "--refresh", file)
    assert done.returncode == 0, done.stderr
    changes = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert changes == ["  + /etc/passwd  read_file", "  - /gone  read_file"]
    assert "promises exec, getpw" in done.stdout
    assert "There is no promise 'none': its rules stay." in done.stdout
    assert (tmp_path / "policy.toml").read_text().endswith(own)
    assert json_of(paddock("promise", "--refresh", file, "--format", "json"))["added"] == []
    assert paddock("promise", "--refresh").returncode == 2


def test_it_adds_to_json_and_says_what_it_cannot_do_there(tmp_path: Path) -> None:
    file = os.fspath(tmp_path / "policy.json")
    done = paddock("export", write(tmp_path / "policy.toml", EMPTY), "--to", "landlock-json")
    write(file, done.stdout)
    first = paddock("promise", "dns", file)
    assert first.returncode == 0, first.stderr
    assert "The rules have no comment" in first.stdout
    text = (tmp_path / "policy.json").read_text()
    assert "/etc/hosts" in text
    assert "nothing to change" in paddock("promise", "dns", file).stdout
    assert (tmp_path / "policy.json").read_text() == text


def test_it_never_writes_through_a_symbolic_link(tmp_path: Path) -> None:
    write(tmp_path / "policy.toml", EMPTY)
    (tmp_path / "link.toml").symlink_to("policy.toml")
    done = paddock("promise", "dns", os.fspath(tmp_path / "link.toml"))
    assert done.returncode == 2
    assert "is a symbolic link" in done.stderr
    assert (tmp_path / "policy.toml").read_text() == EMPTY


def test_exec_starts_a_program_named_by_a_relative_path(tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", EMPTY)
    write(tmp_path / "tool", "#!/bin/sh\necho started\n")
    (tmp_path / "tool").chmod(0o755)
    assert paddock("run", file, "--", f"{tmp_path}/tool").returncode == 126
    done = paddock("promise", "exec", file, "--", "./tool", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert paddock("run", file, "--", f"{tmp_path}/tool").stdout == "started\n"
    assert f"# promise: exec {tmp_path}/tool\n" in (tmp_path / "policy.toml").read_text()


def test_an_unknown_name_brings_the_nearest() -> None:
    done = paddock("promise", "pyhton")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "paddock promise: There is no promise 'pyhton'. Did you mean 'python'?\n"


def test_errors_change_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "policy.toml", "abi = \n")
    assert paddock("promise", "dns", file).returncode == 2
    assert (tmp_path / "policy.toml").read_text() == "abi = \n"
    assert paddock("promise", "dns", os.fspath(tmp_path / "none.toml")).returncode == 2
    assert not (tmp_path / "none.toml").exists()
    assert paddock("promise", "dns", file, "more").returncode == 2
    assert "No program absent was found in PATH." in paddock("promise", "exec", "--", "absent").stderr
    assert "only the promise exec takes programs" in paddock("promise", "dns", "--", "true").stderr
