"""Every command line that a verb prints can be pasted into a POSIX shell, whatever the names in it."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from editor.cli.options import file_word, policy_file_word, shell_word
from tests.cli.harness import PADDOCK, POLICY, environment, json_of, paddock, write, write_program

NAMES = [
    "plain", "with space", "it's", 'say "hi"', "two\nlines", "-dash", "--with", "$HOME", "`id`", "back\\slash",
    "ümlaut", "percent%d", "star*", "esc\x1b[31mred", "tab\t", "last line\n", "\udcff", "(paren)", "semi;colon",
    "tcp:443", "#hash", "~", "a=b", "\\n", "",
]  # fmt: skip


def in_shell(command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` in sh(1), where ``paddock`` is this checkout."""
    function = f'paddock() {{ {shlex.join(PADDOCK)} "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", function + command],
        cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="surrogateescape",
        timeout=120, check=False,
    )  # fmt: skip


def words_of(command: str) -> list[str]:
    """Return the words that a shell passes on for ``command``."""
    dump = "paddock() { printf '%s\\0' paddock \"$@\"; }\n"
    done = subprocess.run(["sh", "-c", dump + command], env=environment(), capture_output=True, timeout=60, check=True)
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_quoted_word_is_the_name_again(name: str) -> None:
    for word, expected in (
        (shell_word(name), name),
        (file_word(name), f"./{name}"),
        (policy_file_word(name), f"./{name}" if name.startswith("-") else name),
    ):
        assert words_of(f"paddock {word} end") == ["paddock", expected, "end"]
        assert word.rstrip("\n'").isprintable()


@pytest.mark.parametrize("name", [name for name in NAMES if name], ids=ascii)
def test_hint_of_a_program_that_run_could_not_execute(name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    os.mkdir(here)
    file = f"{name}.toml"
    write(here / file, POLICY)
    write_program(here / name, "#!/bin/sh\n")
    denied = paddock("run", f"./{file}", "--", f"./{name}", cwd=here)
    assert denied.returncode == 126
    hint = denied.stderr[denied.stderr.index("(paddock explain ") + 1 : denied.stderr.rindex(")")]
    assert words_of(hint) == ["paddock", "explain", f"./{file}", f"./{name}", "--right", "execute"]
    done = in_shell(hint, here)
    assert (done.returncode, done.stderr) == (1, "")
    assert ": denied" in done.stdout.splitlines()[0]


def test_hint_carries_the_whole_run(tmp_path: Path) -> None:
    """All files, variables and layers: without one of them the answer would be another."""
    write(tmp_path / "p 1.toml", POLICY)
    variable = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["${place}"]\n'
    write(tmp_path / "-p 2.toml", POLICY + f'\n[[variable]]\nname = "place"\nliteral = ["/none"]\n{variable}')
    write(tmp_path / "layer's.toml", 'abi = 6\n[[ruleset]]\nhandled_access_fs = ["execute"]\n')
    write_program(tmp_path / "program", "#!/bin/sh\n")
    given = [
        "--with", "./-p 2.toml", "--layer", "layer's.toml", "--var", f"place={tmp_path}", "--var", "place=/a b",
        "--abi", "4",
    ]  # fmt: skip
    denied = paddock("run", *given, "p 1.toml", "--", "./program", cwd=tmp_path)
    assert denied.returncode == 126
    (hint,) = re.findall(r"\((paddock explain .*)\)\n", denied.stderr)
    assert words_of(hint) == [
        "paddock", "explain", "--with", "./-p 2.toml", "--layer", "layer's.toml", "--var", f"place={tmp_path}", "--var",
        "place=/a b", "--abi", "4", "p 1.toml", "./program", "--right", "execute",
    ]  # fmt: skip
    done = in_shell(hint, tmp_path)
    assert done.returncode == 1
    first, second = done.stdout.split("Layer 2, layer's.toml:")
    assert "./program: allowed" in first
    assert "./program: denied" in second
    # The layer alone denies it.
    layer = shell_word("layer's.toml")
    assert in_shell(hint.replace(f"--layer {layer}", ""), tmp_path).returncode == 0
    said = json_of(in_shell(f"{hint} --format json", tmp_path))
    assert (said["allowed"], said["policy"]) == (False, "layer's.toml")
    assert [each["allowed"] for each in said["layers"]] == [True, False]


def test_hint_of_a_command_in_path_names_the_file_that_was_refused(tmp_path: Path) -> None:
    """A file of that name that is not executable comes first in PATH, and one is in the working directory."""
    os.mkdir(tmp_path / "first")
    os.mkdir(tmp_path / "second dir")
    write(tmp_path / "first" / "tool", "#!/bin/sh\n")
    write(tmp_path / "tool", "data")
    write_program(tmp_path / "second dir" / "tool", "#!/bin/sh\n")
    write(tmp_path / "p.toml", POLICY)
    env = environment(PATH="first:second dir:/usr/bin:/bin")
    denied = paddock("run", "p.toml", "--", "tool", cwd=tmp_path, env=env)
    assert denied.returncode == 126
    (hint,) = re.findall(r"\((paddock explain .*)\)\n", denied.stderr)
    assert words_of(hint) == ["paddock", "explain", "p.toml", "./second dir/tool", "--right", "execute"]
    assert f"Grant execute, read_file on {tmp_path}/second dir/tool." in in_shell(hint, tmp_path).stdout


def test_hint_of_a_sample(tmp_path: Path) -> None:
    write_program(tmp_path / "program", "#!/bin/sh\n")
    denied = paddock("run", "--sample", "read-only-shell", "--", "./program", cwd=tmp_path)
    assert denied.returncode == 126
    (hint,) = re.findall(r"\((paddock explain .*)\)\n", denied.stderr)
    assert hint == "paddock explain --sample read-only-shell ./program --right execute"
    assert in_shell(hint, tmp_path).returncode == 1


@pytest.mark.parametrize("name", ["it's a\n\x1b[2Jpolicy", "-dash"])
def test_command_that_opens_the_screen(name: str, tmp_path: Path) -> None:
    file = f"{name}.toml"
    write(tmp_path / file, POLICY + '\n[[variable]]\nname = "place"\nliteral = ["/x"]\n')
    given = ("--var", "place=a b", f"./{file}")
    expected = ["paddock", "edit", f"./{file}", "--var", "place=a b"]
    explained = paddock("explain", *given, ".", cwd=tmp_path).stdout
    tested = paddock("test", *given, "--", "ls", ".", cwd=tmp_path).stderr
    for text, before in ((explained, "To change this ("), (tested, "To allow what was denied (")):
        (line,) = (line for line in text.split("\n") if line.startswith(before))
        command = line.removeprefix(before).removesuffix("):")
        assert words_of(command) == expected
        # All that keeps the screen from opening here is the missing terminal.
        assert in_shell(command, tmp_path).stderr == (
            "paddock edit: the screen needs a terminal on standard input and output; other verbs do not.\n"
        )


def test_command_that_was_run(tmp_path: Path) -> None:
    """The report ends with the command, so that it can be run again."""
    write(tmp_path / "p.toml", POLICY)
    command = ["printf", "%s", *NAMES]
    done = paddock("test", "p.toml", "--", *command, cwd=tmp_path)
    text, under, _ = done.stderr.rpartition(" under p.toml, ABI ")
    assert under
    printed = text[text.index("printf '%s' ") if "printf '%s' " in text else text.index("printf %s ") :]
    assert words_of(f"paddock {printed}") == ["paddock", *command]


def test_command_that_starts_a_new_policy(tmp_path: Path) -> None:
    done = paddock("no such policy", cwd=tmp_path)
    command = done.stderr[done.stderr.index("paddock edit ") :].strip()
    assert words_of(command) == ["paddock", "edit", "no such policy"]
    assert "needs a terminal" in in_shell(command, tmp_path).stderr


@pytest.mark.parametrize("verb", ["edit", "check", "diff", "explain", "test", "run", "export", "abi"])
def test_help_of_every_verb(verb: str, tmp_path: Path) -> None:
    """``paddock --help`` names these commands."""
    done = in_shell(f"paddock {verb} --help", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: paddock {verb} ")
