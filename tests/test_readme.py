"""README.md matches the program: keys, verbs, JSON keys, and the files that it links to."""

import os
import re
import subprocess
import sys

from editor.analysis.verify.checks import KEYS
from editor.sandbox.verdicts.report import Access
from editor.screens.help import SECTIONS

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with open(os.path.join(TREE, "README.md"), encoding="utf-8") as _file:
    README = _file.read()


def keys_table() -> str:
    """Return the rows of the README's table of keys, made from the help screen."""
    rows = []
    for title, keys in SECTIONS:
        for position, key in enumerate(keys):
            names = " ".join(f"`{name}`" for name in key.keys.split())
            rows.append(f"| {title if position == 0 else ''} | {names} | {key.does} |\n")
    return "".join(rows)


def test_table_of_keys_matches_the_help_screen() -> None:
    assert keys_table() in README, f"README.md should contain:\n{keys_table()}"


def test_every_verb_is_documented_and_exists() -> None:
    done = subprocess.run([sys.executable, "-m", "editor", "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.split("verbs:\n", 1)[1].split("\n\n", 1)[0]
    verbs = set(re.findall(r"^  (\w+)", listed, re.MULTILINE))
    assert verbs == set(re.findall(r"^\| `paddock (\w+)", README, re.MULTILINE)) | {"edit"}


def test_every_key_of_an_access_is_documented() -> None:
    access = Access(
        "allowed", frozenset(), frozenset(), None, None, None, "", None, "", 0, 1,
        old_path="/before", made_in="/", of_command=True,
    ).to_json()  # fmt: skip
    table = README.split("| key | contains |", 1)[1].split("\n\n", 1)[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(access)


def test_every_key_of_a_check_is_documented() -> None:
    table = README.split("| key of a check | contains |", 1)[1].split("\n\n", 1)[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(KEYS)


def test_linked_files_exist() -> None:
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target and target[0] != "#"]
    assert len(linked) > 5
    assert [target for target in linked if not os.path.exists(os.path.join(TREE, target))] == []
