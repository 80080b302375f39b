"""``--apply FILE``: write what a plan says is needed into a policy file."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.cli.options import UsageError, shown
from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit
from editor.editing.labels import describe
from editor.policy.files import format_of, read_text
from editor.policy.model import Policy
from editor.suggest.learning import extend_policy
from editor.suggest.plan import Plan
from editor.workspace.saving import read_file, write_file


class Target(NamedTuple):
    """The file to write, and what it will extend: its own text ``before``, or without a file that of the policy.

    ``layer`` is the position, among the layers of the run, of the policy that it is part of.
    """

    path: str
    before: bytes | None
    document: PolicyDocument
    layer: int


def open_target(path: str, policies: Sequence[Policy]) -> Target:
    """Return the target for ``path`` of a run under ``policies``, before that run.

    A file that exists is extended, as part of the layer that it belongs to, by default the oldest. A new one will be a
    copy of the policy with what was needed. Raises UsageError, PolicyError, OSError.
    """
    if os.path.islink(path):
        raise UsageError(f"--apply: {shown(path)} is a symbolic link. Name the target instead.")
    before = read_file(path)
    layer = next((at for at, policy in enumerate(policies) if _is_part(path, policy)), 0)
    policy = policies[layer]
    source = path
    if before is None:
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise FileNotFoundError(2, os.strerror(2), os.path.dirname(path))
        files = policy.files or (policy.file,)
        if len(files) > 1:
            raise UsageError(f"--apply: {shown(path)} does not exist, and a policy of several files cannot be copied.")
        source = files[0]
        if format_of(path) != format_of(source):
            raise UsageError(f"--apply: {shown(path)} does not exist, and would not have the format of the policy.")
    text = read_text(source)
    given = tuple(each for each in policy.variables if not _is_same(each.location.file, source))
    return Target(path, before, PolicyDocument.parse(text, source, format_of(source, text), given=given), layer)


def apply_edits(target: Target, edits: Sequence[Edit], verb: str) -> None:
    """Write what a person granted into the file; say on standard error what was done.

    Raises SaveError, EditError; the file is then as it was.
    """
    after = target.document
    for edit in edits:
        after = after.apply(edit)
    saved = write_file(target.path, after.text.encode(), expected=target.before)
    _say(verb, [*(f"{shown(target.path)}: {describe(edit)}" for edit in edits), *saved.notes])


def apply_needed(target: Target, plan: Plan, verb: str) -> None:
    """Write all that is needed and needs no agreement into the file; say on standard error what was done.

    Raises SaveError; the file is then as it was.
    """
    after, problems = extend_policy(target.document, plan.needed)
    name = shown(target.path)
    if target.before is not None and after.text == target.document.text:
        _say(verb, [f"{name} was not changed."])
    else:
        saved = write_file(target.path, after.text.encode(), expected=target.before)
        number = len(plan.needed)
        _say(verb, [f"{name}: {number} proposal{'s' if number != 1 else ''} applied.", *saved.notes])
    _say(verb, problems)
    for each in plan.proposals:
        if each.confirm and each.edits and not each.tolerated:
            _say(verb, [f"not applied, since you have to agree: {each.sentence} This opens {each.confirm}."])


def _is_part(path: str, policy: Policy) -> bool:
    return any(_is_same(path, file) for file in policy.files or (policy.file,))


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _say(verb: str, sentences: Iterable[str]) -> None:
    if sys.stderr is not None:
        for sentence in sentences:
            sys.stderr.write(f"paddock {verb}: {shown(sentence)}\n")
        sys.stderr.flush()
