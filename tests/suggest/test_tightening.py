"""What a policy can do without: steps down to what was used, never wider, and never less than what was used."""

import os
import random
from pathlib import Path

import pytest

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument
from editor.evaluation.decider import Decider
from editor.evaluation.diff import compare
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.rights import DIRECTORY_RIGHTS, LATEST_ABI, NO_RIGHTS, rights_of
from editor.policy.model import RuleRef
from editor.sandbox.verdicts.report import Access, Verdict
from editor.suggest import score
from editor.suggest.tightening import Tightening, tighten, tightened
from editor.suggest.usage import Recorded

HEAD = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]
"""


def document(text: str) -> PolicyDocument:
    return PolicyDocument.parse(text, "p.toml", "toml")


def access(
    rights: str, path: str | None = None, *, at: str | None = None, port: int | None = None,
    verdict: Verdict = "allowed", errno: str | None = None, decided_by: tuple[RuleRef, ...] = (),
) -> Access:  # fmt: skip
    """Return a row about ``path``; ``at`` is the object, if that is another one."""
    return Access(
        verdict,
        frozenset(rights.split()),
        NO_RIGHTS,
        path,
        at or path,
        port,
        "openat",
        errno,
        "program",
        1,
        1,
        decided_by,
    )


def found(before: PolicyDocument, *accesses: Access, abi: int | None = LATEST_ABI) -> Tightening:
    return tighten(before, resolve(before.bound), [Recorded(accesses, abi)])


def steps(before: PolicyDocument, *accesses: Access) -> list[tuple[str, str]]:
    return [(step.kind, step.sentence) for step in found(before, *accesses).steps]


def rules_of(policy: PolicyDocument) -> list[tuple[list[str], set[str]]]:
    return [([each.template for each in rule.parents], set(rule.rights)) for rule in policy.policy.path_rules]


def after(before: PolicyDocument, *accesses: Access) -> PolicyDocument:
    return tightened(before, found(before, *accesses).steps)


@pytest.fixture
def tree(tmp_path: Path) -> str:
    for name in ("lib/python/os.py", "lib/libc.so", "lib/libm.so", "bin/tool", "data/file", "data/other"):
        os.makedirs(tmp_path / os.path.dirname(name), exist_ok=True)
        (tmp_path / name).write_text("x", encoding="ascii")
    return str(tmp_path)


def test_unused_rules_paths_rights_and_ports(tree: str) -> None:
    before = document(
        f"""{HEAD}
# Libraries.
[[path_beneath]]
allowed_access = ["execute", "read_file"]
parent = ["{tree}/lib/libc.so", "{tree}/lib/libm.so"]

# Data,
# of two lines.
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["{tree}/data"]

# Web.
[[net_port]]
allowed_access = ["bind_tcp", "connect_tcp"]
port = [80, 443]
"""
    )
    used = (access("read_file", f"{tree}/lib/libc.so"), access("connect_tcp", port=443))
    assert steps(before, *used) == [
        ("path", f"Remove {tree}/lib/libm.so: unused."),
        ("right", f"Drop execute on {tree}/lib/libc.so: unused."),
        ("rule", f"Remove the rule: {tree}/data unused."),
        ("port", "Remove port 80: unused."),
        ("right", "Drop bind_tcp on port 443: unused."),
    ]
    assert after(before, *used).text == (
        f"""{HEAD}
# Libraries.
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["{tree}/lib/libc.so"]

# Web.
[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]
"""
    )
    assert after(before, *used).policy.handled_fs == before.policy.handled_fs
    again = after(before, *used)
    assert steps(again, *used) == []


def test_down_the_tree(tree: str) -> None:
    before = document(
        f"""{HEAD}
# Everything.
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["{tree}"]
"""
    )
    used = (
        access("execute read_file", f"{tree}/bin/tool"),
        access("read_file", f"{tree}/lib/libc.so"),
        access("read_dir", f"{tree}/data"),
    )
    (unused, down) = found(before, *used).steps
    assert (unused.kind, list(unused.rights)) == ("right", ["refer"])
    assert (down.kind, down.ref) == ("down", RuleRef("p.toml", 11, f'path_beneath "{tree}"'))
    policy = after(before, *used)
    assert rules_of(policy) == [
        ([f"{tree}/bin/tool"], {"execute", "read_file"}),
        ([f"{tree}/lib/libc.so"], {"read_file"}),
        ([f"{tree}/data"], {"read_dir"}),
    ]
    assert comments_above(policy, "path_beneath") == {
        0: "Everything.", 1: "Shared libraries", 2: "Directories listed",
    }  # fmt: skip


def test_what_is_used_of_the_directory_itself_stays_there(tree: str) -> None:
    before = document(f'{HEAD}\n[[path_beneath]]\nallowed_access = ["read_dir", "read_file"]\nparent = ["{tree}"]\n')
    policy = after(
        before, access("read_dir", tree), access("read_dir", f"{tree}/lib"), access("read_file", f"{tree}/bin/tool")
    )
    assert rules_of(policy) == [([tree], {"read_dir"}), ([f"{tree}/bin/tool"], {"read_file"})]


def test_what_a_run_makes_needs_the_directory_next_time_too(tree: str) -> None:
    before = document(f'{HEAD}\n[[path_beneath]]\nallowed_access = ["abi.read_write"]\nparent = ["{tree}"]\n')
    os.makedirs(f"{tree}/data/made")
    Path(f"{tree}/data/made/out").write_text("x", encoding="ascii")
    policy = after(
        before,
        access("make_dir", f"{tree}/data/made", at=f"{tree}/data"),
        access("make_reg", f"{tree}/data/made/out", at=f"{tree}/data/made"),
        access("write_file", f"{tree}/data/made/out"),
        access("read_file", f"{tree}/lib/libc.so"),
    )
    assert rules_of(policy) == [
        ([f"{tree}/data"], {"make_dir", "make_reg", "write_file", "truncate"}),  # of what is there next time
        ([f"{tree}/lib/libc.so"], {"read_file"}),
    ]


def test_what_is_overwritten_may_have_to_be_made_next_time(tree: str) -> None:
    text = f'{HEAD}\n[[path_beneath]]\nallowed_access = ["abi.read_write"]\nparent = ["{tree}"]\n'
    overwritten = access("write_file truncate", f"{tree}/data/file")
    read = access("read_file", f"{tree}/lib/libc.so")
    assert rules_of(after(document(text), overwritten, read)) == [
        ([f"{tree}/data"], {"make_reg", "write_file", "truncate"}),
        ([f"{tree}/lib/libc.so"], {"read_file"}),
    ]
    # A policy that does not allow to make it means a file that is there.
    fixed = document(text.replace('"abi.read_write"', '"read_file", "write_file", "truncate"'))
    assert rules_of(after(fixed, overwritten, read)) == [
        ([f"{tree}/data/file"], {"write_file", "truncate"}),
        ([f"{tree}/lib/libc.so"], {"read_file"}),
    ]


def test_a_package_is_read_as_a_whole() -> None:
    package = os.path.dirname(os.__file__)
    before = document(f'{HEAD}\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{package}"]\n')
    assert found(before, access("read_file", f"{package}/os.py")).steps == ()


def test_files_that_were_moved_keep_their_rules(tree: str) -> None:
    before = document(
        f"""{HEAD}
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["{tree}/data"]

[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["{tree}/lib"]
"""
    )
    policy = after(
        before,
        access("remove_file refer", f"{tree}/data/file", at=f"{tree}/data"),
        access("make_reg refer", f"{tree}/lib/file", at=f"{tree}/lib"),
        access("read_file", f"{tree}/lib/libc.so"),
    )
    # If data lost read_file, the file would gain it by the move.
    shared = {"remove_file", "refer", "make_reg", "read_file"}
    assert rules_of(policy) == [([f"{tree}/data"], shared), ([f"{tree}/lib"], shared)]


def test_the_nearest_rule_is_the_one_that_is_used(tree: str) -> None:
    before = document(
        f"""{HEAD}
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["{tree}"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["{tree}/data"]
"""
    )
    assert steps(before, access("read_file", f"{tree}/data/file"), access("read_file", f"{tree}/data/other"))[0] == (
        "rule", f"Remove the rule: {tree} unused.",
    )  # fmt: skip


def test_rows_name_the_rules_that_allowed_them(tree: str) -> None:
    before = document(
        f"""{HEAD}
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["{tree}/lib/libc.so", "{tree}/lib/libm.so"]
"""
    )
    here = RuleRef("p.toml", 10, f'path_beneath "{tree}/lib/libm.so"')
    used = found(before, access("read_file", f"{tree}/gone", decided_by=(here,)))
    assert [step.sentence for step in used.steps] == [f"Remove {tree}/lib/libc.so: unused."]
    assert (used.usage.anew, used.usage.denied) == (0, 0)
    # In another version of the file, the rule was on another line.
    used = found(before, access("read_file", f"{tree}/lib/libm.so", decided_by=(here._replace(line=3),)))
    assert [step.sentence for step in used.steps] == [f"Remove {tree}/lib/libc.so: unused."]
    assert (used.usage.anew, used.usage.denied) == (1, 0)
    used = found(before, access("read_file", f"{tree}/data/file", decided_by=(here._replace(line=3),)))
    assert (used.usage.anew, used.usage.denied) == (1, 1)


@pytest.mark.parametrize(
    ("verdict", "errno", "counts"),
    [
        ("allowed", None, True),
        ("uncontrolled", None, True),
        ("failed", "ENOTTY", True),
        ("failed", "ENOENT", False),
        ("denied", "EACCES", False),
    ],
)
def test_which_verdicts_count(tree: str, verdict: Verdict, errno: str | None, *, counts: bool) -> None:
    before = document(f'{HEAD}\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{tree}/data/file"]\n')
    assert (steps(before, access("read_file", f"{tree}/data/file", verdict=verdict, errno=errno)) == []) is counts


def test_scopes_that_are_free(tree: str) -> None:
    text = f'{HEAD}\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{tree}/data/file"]\n'
    before = document(text.replace('scoped = ["abi.all"]\n', ""))
    used = access("read_file", f"{tree}/data/file")
    (abstract, signal) = found(before, used).steps
    assert (list(abstract.rights), abstract.must_be_tried) == (["abstract_unix_socket"], False)
    assert (list(signal.rights), signal.must_be_tried) == (["signal"], True)
    assert 'scoped = ["abstract_unix_socket", "signal"]\n' in after(before, used).text
    connected = access("abstract_unix_socket", "@session")
    assert [step.rights for step in found(before, used, connected).steps] == [{"signal"}]
    old = document(before.text.replace("abi = 6", "abi = 5"))
    assert found(old, used).steps == ()


def test_rights_that_older_kernels_do_not_trace_stay(tree: str) -> None:
    before = document(f'{HEAD}\n[[path_beneath]]\nallowed_access = ["read_file", "ioctl_dev"]\nparent = ["{tree}"]\n')
    used = access("read_file", tree)
    assert found(before, used, abi=4).steps == ()
    assert found(before, used, abi=None).steps == ()
    assert [step.rights for step in found(before, used, abi=5).steps] == [{"ioctl_dev"}]
    # Nor can a path go of which they are all that could have been used.
    before = document(before.text.replace(f'"{tree}"', f'"{tree}", "/dev"'))
    assert rules_of(tightened(before, found(before, used, abi=4).steps)) == [
        ([tree], {"read_file", "ioctl_dev"}), (["/dev"], {"ioctl_dev"}),
    ]  # fmt: skip
    assert rules_of(tightened(before, found(before, used, abi=5).steps)) == [([tree], {"read_file"})]


def test_lists_that_paddock_keeps_go_as_a_whole_or_not_at_all(tree: str) -> None:
    before = document(
        f"""{HEAD}
# promise: something
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["{tree}/lib", "{tree}/data"]

# all of {tree} except bin (paddock refreshes this list)
[[path_beneath]]
allowed_access = ["write_file"]
parent = ["{tree}/lib", "{tree}/data"]

# promise: something
[[net_port]]
allowed_access = ["connect_tcp"]
port = [53, 853]
"""
    )
    assert steps(before, access("read_file", f"{tree}/lib/libc.so"), access("connect_tcp", port=53)) == [
        ("rule", f"Remove the rule: {tree}/lib, {tree}/data unused."),
    ]


def test_a_variable_stays_where_it_is(tree: str) -> None:
    before = document(
        f"""{HEAD}
[[variable]]
name = "where"
literal = ["{tree}"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["${{where}}", "${{where}}/bin"]
"""
    )
    policy = after(before, access("read_file", f"{tree}/lib/libc.so"))
    assert rules_of(policy) == [(["${where}"], {"read_file"})]


def test_json(tree: str) -> None:
    before = PolicyDocument.parse(
        '{"abi": 6, "ruleset": [{"handledAccessFs": ["abi.all"], "scoped": ["abi.all"]}], "pathBeneath": ['
        f'{{"allowedAccess": ["read_file", "read_dir"], "parent": ["{tree}/lib", "{tree}/bin"]}}, '
        f'{{"allowedAccess": ["write_file"], "parent": ["{tree}/data"]}}]}}',
        "p.json",
        "json",
    )
    policy = after(before, access("read_file", f"{tree}/lib/libc.so"), access("read_dir", f"{tree}/bin"))
    assert rules_of(policy) == [([f"{tree}/lib/libc.so"], {"read_file"}), ([f"{tree}/bin"], {"read_dir"})]


def test_score(tree: str) -> None:
    before = document(
        f"""{HEAD}
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["{tree}", "{tree}/bin"]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [80]
"""
    )
    resolved = resolve(before.policy)
    assert score.granted(resolved) == score.Score(files=11, rights=5)
    used = access("read_file", f"{tree}/lib/libc.so")
    assert score.used(found(before, used).usage) == score.Score(files=1, rights=1)
    assert str(score.granted(resolved)) == "11 files, 5 rights"
    assert score.granted(resolve(document(before.text.replace(tree, "/")).policy)).more


def random_policy(rng: random.Random, paths: list[str]) -> PolicyDocument:
    lines = [HEAD.replace('scoped = ["abi.all"]\n', rng.choice(["", 'scoped = ["signal"]\n']))]
    names = sorted(rights_of("fs", 5))
    for _ in range(rng.randint(1, 6)):
        rights = ", ".join(f'"{each}"' for each in rng.sample(names, rng.randint(1, 6)))
        parents = ", ".join(f'"{each}"' for each in rng.sample(paths, rng.randint(1, 3)))
        lines.append(f"[[path_beneath]]\nallowed_access = [{rights}]\nparent = [{parents}]\n")
    for _ in range(rng.randint(0, 3)):
        ports = ", ".join(str(each) for each in rng.sample(range(5), 2))
        lines.append(
            f'[[net_port]]\nallowed_access = ["{rng.choice(["bind_tcp", "connect_tcp"])}"]\nport = [{ports}]\n'
        )
    return document("\n".join(lines))


def random_accesses(rng: random.Random, paths: list[str], resolved: ResolvedPolicy) -> list[Access]:
    """Return accesses that the policy allows."""
    decider = Decider(resolved, LATEST_ABI)
    found = []
    for _ in range(rng.randint(0, 12)):
        path = rng.choice(paths)
        granted = sorted(decider.rights_on(path) - (NO_RIGHTS if os.path.isdir(path) else DIRECTORY_RIGHTS))
        if granted:
            found.append(access(" ".join(rng.sample(granted, rng.randint(1, min(3, len(granted))))), path))
        right, port = rng.choice(["bind_tcp", "connect_tcp"]), rng.randrange(5)
        if decider.port(port, right).allowed:
            found.append(access(right, port=port))
    return found


@pytest.mark.parametrize("seed", range(120))
def test_never_wider_and_never_less_than_what_was_used(tree: str, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 reproducible
    paths = [os.path.join(place, name) for place, dirs, files in os.walk(tree) for name in (*dirs, *files)] + [tree]
    before = random_policy(rng, paths)
    resolved = resolve(before.policy)
    used = random_accesses(rng, paths, resolved)
    every = found(before, *used).steps
    for chosen in (every, tuple(step for step in every if rng.random() < 0.5)):
        policy = tightened(before, chosen)
        now = resolve(policy.policy)
        assert compare(resolved, now).only_b == (), chosen
        decider = Decider(now, LATEST_ABI)
        for each in used:
            if each.port is not None:
                assert decider.port(each.port, next(iter(each.rights))).allowed, (each, chosen)
            else:
                assert decider.file(each.object_path or "", each.rights).allowed, (each, chosen)
    for _ in range(4):  # a rule further down may make another one idle
        before = tightened(before, found(before, *used).steps)
    assert found(before, *used).steps == ()
