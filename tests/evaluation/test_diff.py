"""Comparisons of policies, checked by deciding every path and right one by one; lint and fixes never fail."""

import itertools
import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from editor.analysis.compatibility import compatibility
from editor.analysis.effective import effective_rights
from editor.analysis.fix import fix
from editor.analysis.lint.catalogue import LINTS
from editor.analysis.lint.engine import fixes, lint
from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError
from editor.evaluation.decider import Decider
from editor.evaluation.diff import Comparison, compare
from editor.evaluation.mounts import is_beneath
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.exchange.spelling import quoted
from editor.landlock.rights import DIRECTORY_RIGHTS, FS_RIGHTS, LATEST_ABI, unnamed
from editor.policy.compose import FileText
from editor.policy.parse import parse_policy
from editor.sandbox.verdicts.report import AbiUsed

DIRECTORIES = ("a", "a/b", "a/b/c", "d")
FILES = ("f", "a/f", "a/b/f", "a/b/c/f", "d/f")
SPELLINGS = (*DIRECTORIES, *FILES, ".", "a/", "./d", "link", "link/c", "gone", "gone/x", "a/gone")
RIGHTS = ("read_file", "read_dir", "write_file", "execute", "make_reg", "refer", "truncate", 0x20000)


@pytest.fixture(scope="module")
def tree() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made:
        root = os.path.realpath(made)
        for name in DIRECTORIES:
            os.makedirs(f"{root}/{name}", exist_ok=True)
        for name in FILES:
            with open(f"{root}/{name}", "w", encoding="utf-8"):
                pass
        os.symlink("a/b", f"{root}/link")
        yield root


@st.composite
def texts(draw: st.DrawFn) -> str:
    def rights() -> str:
        return str(draw(st.lists(st.sampled_from(RIGHTS), min_size=1, max_size=3)))

    lines = []
    for _ in range(draw(st.integers(0, 1))):
        lines += ["[[ruleset]]", f"handled_access_fs = {rights()}"]
    for _ in range(draw(st.integers(1, 4))):
        parents = draw(st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=3))
        lines += ["[[path_beneath]]", f"allowed_access = {rights()}"]
        lines.append(f"parent = [{', '.join(quoted(path, wide=True) for path in parents)}]")
    return "\n".join([*lines, ""])


def resolved(text: str, tree: str) -> ResolvedPolicy:
    return resolve(parse_policy(text, "p.toml", "toml"), base=tree)


def said(comparison: Comparison, place: str, right: str, *, of_a: bool) -> bool:
    """Whether the comparison reports ``right`` on ``place`` as allowed by one policy only; the nearest entry counts."""
    nearest, answer = "", False
    for each in comparison.only_a if of_a else comparison.only_b:
        if each.kind == "path" and right in each.rights:
            words = [(each.subject, True), *((path, False) for path in each.excepted)]
            for path, holds in words:
                if is_beneath(place, path) and len(path) > len(nearest):
                    nearest, answer = path, holds
    return answer


EVERYWHERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@EVERYWHERE
@given(texts(), texts())
def test_every_path_and_right(tree: str, one: str, other: str) -> None:
    a, b = resolved(one, tree), resolved(other, tree)
    comparison = compare(a, b)
    back = compare(b, a)
    assert (back.only_b, back.only_a) == (comparison.only_a, comparison.only_b)
    assert compare(a, a).same
    bits = unnamed(a.handled_fs | b.handled_fs)
    deciders = Decider(a, LATEST_ABI, beyond=bits), Decider(b, LATEST_ABI, beyond=bits)
    places = [(tree, True), *((f"{tree}/{name}", True) for name in DIRECTORIES)]
    places += [(f"{tree}/{name}", False) for name in FILES]
    places += [("/", True), ("/usr", True)]
    for (place, is_dir), right in itertools.product(places, [*(each.name for each in FS_RIGHTS), *bits]):
        if not is_dir and right in DIRECTORY_RIGHTS:
            continue
        by_a, by_b = (decider.file(place, frozenset({right})).allowed for decider in deciders)
        assert said(comparison, place, right, of_a=True) == (by_a and not by_b), (place, right)
        assert said(comparison, place, right, of_a=False) == (by_b and not by_a), (place, right)


@EVERYWHERE
@example(
    "[[path_beneath]]\nallowed_access = ['read_file', 'read_dir']\nparent = [\"f\"]\n"
    "[[path_beneath]]\nallowed_access = ['read_file', 'write_file']\nparent = [\"f\"]\n",
    1,
)  # without a right that the file cannot have, the first rule is covered by the second
@given(texts(), st.integers(1, 11))
def test_checks_and_fixes_of_any_policy(tree: str, text: str, abi: int) -> None:
    document = PolicyDocument.parse(text, "p.toml", "toml")
    before = resolve(document.policy, base=tree)
    found = lint(document.policy, before, target_abi=abi)
    assert {each.id for each in found} <= set(LINTS)
    assert len(compatibility(document.policy).levels) == LATEST_ABI
    shown = effective_rights(document.policy, AbiUsed(abi, abi))
    assert [branch.depth for branch in shown.branches][:1] == [0]
    for edit in fixes(found):
        document = applied(document, edit)
    assert same_meaning(before, resolve(document.policy, base=tree))
    # --fix goes on until nothing is left that it can fix.
    fixed = fix(FileText("p.toml", text), lambda policy: lint(policy, resolve(policy, base=tree), target_abi=abi))
    after = parse_policy(fixed.after, "p.toml", "toml")
    assert same_meaning(before, resolve(after, base=tree))
    assert not fixes(lint(after, resolve(after, base=tree), target_abi=abi))


def applied(document: PolicyDocument, edit: Edit) -> PolicyDocument:
    try:
        return document.apply(edit)
    except EditError as error:
        raise AssertionError((document.text, edit)) from error


def same_meaning(before: ResolvedPolicy, after: ResolvedPolicy) -> bool:
    """Whether both allow the same on this machine, and restrict the same."""
    return compare(before, after).same and after.handled_fs == before.handled_fs
