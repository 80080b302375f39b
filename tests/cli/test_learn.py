"""``paddock learn``: the policy, where it goes, what is said of it, and the runs that it takes."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.harness import PADDOCK, POLICY, environment, paddock, write

LOOK = ("sh", "-c", "cat /etc/hostname")


def lines(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return [line.removeprefix("paddock learn: ") for line in done.stderr.splitlines() if line.startswith("paddock")]


def test_a_policy_from_nothing_works(tmp_path: Path) -> None:
    done = paddock("learn", "--", *LOOK, cwd=tmp_path)
    assert done.returncode == 0
    hostname = Path("/etc/hostname").read_text()
    assert done.stderr.count(hostname) == 2  # the command's own output, of both runs
    said = lines(done)
    assert said[0] == "run 1 of at most 3, nothing is enforced"
    assert said[1] == "run 2 of at most 3, under what was learned"
    assert re.fullmatch("learned in 2 runs: [0-9]+ rules, (0 denials|[0-9]+ denials?, which it tolerates)", said[2])
    policy = write(tmp_path / "policy.toml", done.stdout)
    tried = paddock("test", policy, "--", *LOOK, cwd=tmp_path)
    assert (tried.returncode, tried.stdout) == (0, hostname)
    assert paddock("test", policy, "--", "sh", "-c", "cat /etc/passwd", cwd=tmp_path).returncode == 1


def test_writing_to_a_file_leaves_the_streams_to_the_command(tmp_path: Path) -> None:
    done = paddock("learn", "-o", "made.toml", "--", *LOOK, cwd=tmp_path)
    assert done.stdout == Path("/etc/hostname").read_text() * 2
    assert "# Programs" in (tmp_path / "made.toml").read_text()
    assert os.listdir(tmp_path) == ["made.toml"]
    assert paddock("check", "made.toml", cwd=tmp_path).returncode in (0, 1)


def test_json_by_its_name(tmp_path: Path) -> None:
    assert paddock("learn", "-o", "made.json", "--", *LOOK, cwd=tmp_path).returncode == 0
    assert paddock("test", "made.json", "--", *LOOK, cwd=tmp_path).returncode == 0


def test_a_file_that_is_there_is_replaced_only_with_force_and_a_link_never(tmp_path: Path) -> None:
    write(tmp_path / "old.toml", "mine")
    (tmp_path / "link.toml").symlink_to("old.toml")
    touch = ("--", "touch", "ran")
    refused = paddock("learn", "-o", "old.toml", *touch, cwd=tmp_path)
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        125, "paddock learn: old.toml already exists. Use --force to replace it."
    )  # fmt: skip
    linked = paddock("learn", "--force", "-o", "link.toml", *touch, cwd=tmp_path)
    assert linked.returncode == 125
    assert "link.toml is a symbolic link" in linked.stderr
    assert paddock("learn", "-o", "no/such.toml", *touch, cwd=tmp_path).returncode == 125
    assert not (tmp_path / "ran").exists(), "refused before the command ran"
    assert (tmp_path / "old.toml").read_text() == "mine"
    assert paddock("learn", "--force", "-o", "old.toml", *touch, cwd=tmp_path).returncode == 0
    assert "# Written" in (tmp_path / "old.toml").read_text()


def test_one_run_is_not_tried_out(tmp_path: Path) -> None:
    done = paddock("learn", "--runs", "1", "--", "mkdir", "made", cwd=tmp_path)
    assert done.returncode == 0
    assert lines(done)[-1].endswith("rules, not tried out")
    assert "make_dir" in done.stdout


def test_a_policy_is_extended_and_what_it_says_stays(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY)
    command = ("sh", "-c", "rm -f out; cat /etc/hostname > out; echo done > /dev/null")
    done = paddock("learn", "--onto", policy, "--", *command, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(POLICY)
    assert (tmp_path / "policy.toml").read_text() == POLICY
    (tmp_path / "out").unlink()
    own = paddock("learn", "--onto", policy, "-o", policy, "--", *command, cwd=tmp_path)
    assert own.returncode == 0
    assert (tmp_path / "policy.toml").read_text() == done.stdout
    again = paddock("learn", "--onto", policy, "--", *command, cwd=tmp_path)
    assert again.stdout == done.stdout


def test_what_the_command_gets_along_without_is_said_and_left_out(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY)
    reader = ("sh", "-c", "cat /root/nothing /etc/hostname 2>/dev/null; true")
    done = paddock("learn", "--onto", policy, "--", *reader, cwd=tmp_path)
    assert done.returncode == 0
    assert "nothing" not in done.stdout


def test_a_command_that_fails_anyway_is_learned_with_its_status(tmp_path: Path) -> None:
    done = paddock("learn", "--", "sh", "-c", "cat /etc/hostname; exit 7", cwd=tmp_path)
    assert done.returncode == 7
    assert any(line.startswith("learned in 2 runs") for line in lines(done))


def test_a_command_that_finds_what_it_left_is_observed_again(tmp_path: Path) -> None:
    done = paddock("learn", "--", "mkdir", "made", cwd=tmp_path)
    assert done.returncode == 1
    said = lines(done)
    assert said[1] == "run 2 of at most 3, nothing is enforced: it finds other files than the first one did"
    assert said[3].startswith("the first run had exit status 0, the next one 1, unrestricted as well")
    assert "make_dir" in done.stdout


def test_what_overwrites_its_own_output_works_again(tmp_path: Path) -> None:
    done = paddock("learn", "-o", "made.toml", "--", "sh", "-c", "echo x > one; echo x > two", cwd=tmp_path)
    assert done.returncode == 0
    text = (tmp_path / "made.toml").read_text()
    assert "truncate" in text
    assert f'"{tmp_path}/one"' not in text, "the directory, in which others have to make it first"
    (tmp_path / "one").unlink()
    tried = paddock("test", "made.toml", "--", "sh", "-c", "echo x > one; echo x > two", cwd=tmp_path)
    assert tried.returncode == 0, tried.stderr


def test_a_command_that_ends_otherwise_each_time_is_said(tmp_path: Path) -> None:
    done = paddock("learn", "--", "sh", "-c", "exit $(($$ % 200 + 1))", cwd=tmp_path)
    assert any("does the command end alike each time?" in line for line in lines(done)), done.stderr


def test_a_protected_place_is_reached_only_if_the_command_needs_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    write(home / ".ssh" / "id_ed25519", "key\n")
    env = environment(HOME=str(home))
    curious = ("sh", "-c", 'cat "$HOME/.ssh/id_ed25519"; true')
    done = paddock("learn", "--", *curious, cwd=tmp_path, env=env)
    assert ".ssh" not in done.stdout
    assert f"left out: read_file on {home}/.ssh/id_ed25519; protected: {home}/.ssh (SSH keys)" in done.stderr
    done = paddock("learn", "--", "cat", f"{home}/.ssh/id_ed25519", cwd=tmp_path, env=env)
    assert f"# Protected, but needed: {home}/.ssh (SSH keys)\n" in done.stdout
    assert f"the command needs read_file on {home}/.ssh/id_ed25519; protected: {home}/.ssh (SSH keys)" in done.stderr


def test_a_timeout_ends_each_run_alike(tmp_path: Path) -> None:
    done = paddock("learn", "--timeout", "0.5", "--", "sh", "-c", "read line < /etc/hostname; sleep 20", cwd=tmp_path)
    assert "The run was stopped after 0.5 seconds." in done.stderr
    assert any(line.startswith("learned in 2 runs") for line in lines(done)), done.stderr
    assert "/etc/hostname" in done.stdout


def test_an_interrupted_run_leaves_a_whole_policy_of_what_was_seen(tmp_path: Path) -> None:
    command = ("sh", "-c", "read line < /etc/hostname; touch ready; sleep 20")
    with subprocess.Popen(
        [*PADDOCK, "learn", "-o", "made.toml", "--", *command],
        cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGKILL)
    assert "interrupted: the policy allows what was seen until then, and was not tried out" in said
    assert "/etc/hostname" in (tmp_path / "made.toml").read_text()
    assert sorted(os.listdir(tmp_path)) == ["made.toml", "ready"]


def test_a_command_that_cannot_start_writes_nothing(tmp_path: Path) -> None:
    done = paddock("learn", "-o", "made.toml", "--", "./no-such-program", cwd=tmp_path)
    assert done.returncode == 127
    assert os.listdir(tmp_path) == []
    assert paddock("learn", cwd=tmp_path).returncode == 125
    assert paddock("learn", "--onto", "none.toml", "--", "true", cwd=tmp_path).returncode == 125


def test_reports_of_several_runs_become_one_policy(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY)
    for number, mode in enumerate(("observe", "enforce")):
        words = ("--mode", mode, "--format", "json", "-o", f"{number}.json", "--", "sh", "-c", "cat /etc/hostname")
        paddock("test", policy, *words, cwd=tmp_path)
    done = paddock("learn", "--from", "0.json", "--from", "1.json", "-o", "made.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert lines(done)[0].startswith("learned from 2 logs: ")
    assert (tmp_path / "made.toml").read_text().startswith("# What programs need, as learned from runs.")
    assert paddock("test", "made.toml", "--", *LOOK, cwd=tmp_path).returncode == 0
    extended = paddock("learn", "--from", "0.json", "--onto", policy, cwd=tmp_path)
    assert extended.stdout == POLICY, "which allows all that was recorded"


def test_a_log_goes_before_the_runs_of_a_command(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY)
    paddock("test", policy, "--format", "json", "-o", "log.json", "--", "cat", "/etc/passwd", cwd=tmp_path)
    done = paddock("learn", "--from", "log.json", "--", *LOOK, cwd=tmp_path)
    assert done.returncode == 0
    assert "/etc/passwd" in done.stdout
    assert "/etc/hostname" in done.stdout


@pytest.mark.program("strace")
def test_a_log_of_strace_gives_a_policy_that_works(tmp_path: Path) -> None:
    traced = subprocess.run(
        ["strace", "-f", "-o", "log", *LOOK], cwd=tmp_path, env=environment(), capture_output=True, check=True
    )
    assert traced.stdout == Path("/etc/hostname").read_bytes()
    assert paddock("learn", "--from", "log", "-o", "made.toml", cwd=tmp_path).returncode == 0
    tried = paddock("test", "made.toml", "--", *LOOK, cwd=tmp_path)
    assert (tried.returncode, tried.stdout) == (0, traced.stdout.decode())


def test_a_log_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "log", "nothing\n")
    done = paddock("learn", "--from", "log", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (125, "")
    assert "paddock learn: log: This is neither a JSON report of Paddock" in done.stderr
