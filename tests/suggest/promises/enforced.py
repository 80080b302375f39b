"""Run programs under policies that consist of promises."""

import os
import subprocess
from collections.abc import Sequence

from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule
from editor.landlock.rights import RightSet
from editor.suggest.promises.catalogue import found
from editor.suggest.promises.promise import Promise
from editor.suggest.promises.system import System
from editor.suggest.promises.writing import edits_of
from tests.cli.harness import environment, paddock, write

EMPTY = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]
"""
PROGRAMS = "/usr/local/bin:/usr/bin:/bin"

Rule = tuple[Sequence[str], RightSet]


def here(**variables: str) -> System:
    """Return this system as a program with a plain environment sees it."""
    return System(environment={"PATH": PROGRAMS} | variables)


def document_of(*promises: Promise, rules: Sequence[Rule] = (), abi: int = 6) -> PolicyDocument:
    """Return a policy that denies everything but what ``promises`` and then ``rules`` grant."""
    document = PolicyDocument.parse(EMPTY.replace("abi = 6", f"abi = {abi}"), "policy.toml", "toml")
    for promise in promises:
        for edit in edits_of(promise, document):
            document = document.apply(edit)
    for paths, rights in rules:
        document = document.apply(AddPathRule(tuple(paths), rights))
    return document


def run(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    *command: str,
    starts: bool = True,
    rules: Sequence[Rule] = (),
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    """Run ``command`` in ``directory`` under the promises ``names``; exec ``starts`` its program, too."""
    file = policy_file(directory, names, *(command[:1] if starts else ()), rules=rules, **variables)
    return paddock("run", file, "--", *command, cwd=directory, env=environment(**{"PATH": PROGRAMS, **variables}))


def policy_file(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    *programs: str,
    rules: Sequence[Rule] = (),
    **variables: str,
) -> str:
    """Write a policy of the promises ``names`` into ``directory`` and return its path; exec starts ``programs``."""
    system = here(**variables)
    promises = [found(name, system, programs=programs if name == "exec" else ()) for name in names]
    return write(os.path.join(directory, "policy.toml"), document_of(*promises, rules=rules).text)
