"""Three-way merge: laws for any policy and edits, and the visible result on a handwritten one."""

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError, RenameVariable, SetPathRights
from editor.editing.meaning import Meaning, meaning_of
from editor.editing.merge import Frame, MergeConflict, MergeError, Side, Unit, collisions, describe_side, merge
from editor.landlock.rights import NO_RIGHTS, RightSet
from tests.editing.test_edits_properties import edits
from tests.policy.texts import FS, PATHS, Draw, policy_texts

BASE = """\
# Written by hand.
abi = 6

[[variable]]
name = "home"
literal = ["/home/me"]

[[ruleset]]
handled_access_fs = ["abi.all"]   # all of it
scoped = ["signal"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = [
    "/usr",   # programs
    "/lib",
]

[[path_beneath]]
allowed_access = ["write_file"]
parent = ["${home}/out"]

[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]
"""


def document(text: str) -> PolicyDocument:
    return PolicyDocument.parse(text, "policy.toml", "toml")


def edited(start: PolicyDocument, wanted: list[Edit]) -> PolicyDocument:
    """Return ``start`` after those of ``wanted`` that are possible."""
    for edit in wanted:
        try:
            start = start.apply(edit)
        except EditError:
            continue
    return start


@st.composite
def sides(draw: Draw) -> tuple[PolicyDocument, PolicyDocument, PolicyDocument]:
    """Return a document and two edited versions of it."""
    text, format = draw(policy_texts())
    base = PolicyDocument.parse(text, "f", format)
    renames = st.builds(RenameVariable, st.sampled_from(["one", "two"]), st.sampled_from(["first", "other"]))
    some = st.lists(edits(base) | renames if base.policy.variables else edits(base), max_size=4)
    shared = st.builds(SetPathRights, st.just(draw(st.sampled_from(PATHS))), st.frozensets(st.sampled_from(FS)))
    one, other = ([*draw(some), *draw(st.lists(shared, max_size=1))] for _ in "ab")
    return base, edited(base, one), edited(base, other)


def attempt(
    base: PolicyDocument, disk: PolicyDocument, draft: PolicyDocument, choices: dict[Unit, Side] | None = None
) -> PolicyDocument:
    """Return the merge; skip the case if it collides or cannot be written."""
    try:
        return merge(base, disk, draft, choices)
    except MergeError as error:
        event(type(error).__name__)
        assume(False)
        raise


@given(sides())
@settings(max_examples=100, deadline=None)
def test_one_unchanged_side_yields_the_other(made: tuple[PolicyDocument, PolicyDocument, PolicyDocument]) -> None:
    base, disk, draft = made
    assert merge(base, disk, base).text == disk.text
    assert meaning_of(merge(base, base, draft).policy) == meaning_of(draft.policy)
    assert merge(base, draft, draft).text == draft.text
    commented = PolicyDocument.parse(base.text + "\n", base.file, base.format)
    assert meaning_of(merge(base, commented, draft).policy) == meaning_of(draft.policy)


@given(sides())
@settings(max_examples=150, deadline=None)
def test_swapping_the_sides_means_the_same(made: tuple[PolicyDocument, PolicyDocument, PolicyDocument]) -> None:
    base, disk, draft = made
    one, other, start = meaning_of(disk.policy), meaning_of(draft.policy), meaning_of(base.policy)
    there, back = collisions(start, one, other), collisions(start, other, one)
    assert [(each.unit, each.theirs, each.mine) for each in there] == [
        (each.unit, each.mine, each.theirs) for each in back
    ]
    assert meaning_of(attempt(base, disk, draft).policy) == meaning_of(attempt(base, draft, disk).policy)


def rights_on(meaning: Meaning, unit: Unit) -> RightSet:
    if isinstance(unit.subject, int):
        return meaning.ports.get(unit.subject, NO_RIGHTS)
    return meaning.paths.get(unit.subject, NO_RIGHTS)


@given(sides(), st.data())
@settings(max_examples=150, deadline=None)
def test_each_unit_comes_from_the_side_that_changed_it_or_was_chosen(
    made: tuple[PolicyDocument, PolicyDocument, PolicyDocument], data: st.DataObject
) -> None:
    base, disk, draft = made
    before, theirs, mine = meaning_of(base.policy), meaning_of(disk.policy), meaning_of(draft.policy)
    found = collisions(before, theirs, mine)
    chosen: dict[Unit, Side] = {each.unit: data.draw(st.sampled_from(("theirs", "mine"))) for each in found}
    event(f"{len(found)} collisions")
    after = meaning_of(attempt(base, disk, draft, chosen).policy)
    units = [Unit("path", path) for path in {**before.paths, **theirs.paths, **mine.paths}]
    units += [Unit("port", port) for port in {**before.ports, **theirs.ports, **mine.ports}]
    for unit in units:
        was, own, other = rights_on(before, unit), rights_on(mine, unit), rights_on(theirs, unit)
        if unit in chosen:
            assert rights_on(after, unit) == (other if chosen[unit] == "theirs" else own)
        else:
            assert rights_on(after, unit) == (other if own == was else own)
    handled = [meaning.handled_fs | meaning.handled_net | meaning.scoped for meaning in (before, theirs, mine, after)]
    assert handled[3] >= handled[0] & handled[1] & handled[2]
    assert handled[3] >= (handled[1] | handled[2]) - handled[0]
    assert handled[3] <= handled[1] | handled[2]


def test_comments_and_layout_on_disk_are_kept() -> None:
    disk = document(BASE.replace("# Written by hand.", "# Written by somebody else.\n# Twice.").replace("443", "8443"))
    draft = document(BASE.replace('"/lib",', '"/lib",\n    "/opt",'))
    merged = merge(document(BASE), disk, draft)
    assert merged.text == disk.text.replace('"/lib",', '"/lib",\n    "/opt",')


def test_same_change_on_both_sides_does_not_collide() -> None:
    theirs = document(BASE.replace("443", "8443"))
    mine = document(BASE.replace("443", "8443").replace("# all of it", ""))
    assert merge(document(BASE), theirs, mine).text == theirs.text


def test_collision_is_decided_by_choosing_a_side() -> None:
    base = document(BASE)
    theirs = document(BASE.replace('["write_file"]', '["write_file", "truncate"]').replace("443", "80"))
    mine = document(BASE.replace('["write_file"]', '["write_file", "make_reg"]').replace('    "/lib",\n', ""))
    with pytest.raises(MergeConflict, match="/home/me/out") as raised:
        merge(base, theirs, mine)
    (collision,) = raised.value.collisions
    assert collision.unit == Unit("path", "/home/me/out")
    said_of_each = [describe_side(side) for side in (collision.base, collision.theirs, collision.mine)]
    assert said_of_each == ["write_file", "write_file, truncate", "write_file, make_reg"]
    taken = merge(base, theirs, mine, {collision.unit: "theirs"})
    kept = merge(base, theirs, mine, {collision.unit: "mine"})
    assert taken.text == theirs.text.replace('    "/lib",\n', "")
    assert meaning_of(kept.policy).paths["/home/me/out"] == {"write_file", "make_reg"}
    assert "${home}/out" in kept.text, "the variable stays"
    assert meaning_of(kept.policy).ports.keys() == {80}


def test_change_and_removal_collide() -> None:
    theirs = document(BASE[: BASE.index("[[net_port]]")])
    mine = document(BASE.replace('["connect_tcp"]', '["bind_tcp", "connect_tcp"]'))
    with pytest.raises(MergeConflict) as raised:
        merge(document(BASE), theirs, mine)
    assert [(each.unit, describe_side(each.theirs)) for each in raised.value.collisions] == [
        (Unit("port", 443), "no rule")
    ]


def test_variables_of_the_draft_are_merged_with_rules_on_disk() -> None:
    base = document(BASE)
    mine = base.apply(RenameVariable("home", "me"))
    theirs = document(BASE.replace("443", "8443"))
    assert merge(base, theirs, mine).text == mine.text.replace("443", "8443")


def test_colliding_frames_are_chosen_as_a_whole() -> None:
    base = document(BASE)
    mine = base.apply(RenameVariable("home", "me"))
    theirs = document(BASE.replace("abi = 6", "abi = 5").replace('["signal"]', '["abstract_unix_socket"]'))
    with pytest.raises(MergeConflict) as raised:
        merge(base, theirs, mine)
    (frame,) = raised.value.collisions
    assert isinstance(frame.theirs, Frame)
    assert describe_side(frame.theirs) == "ABI 5, home = /home/me"
    assert merge(base, theirs, mine, {frame.unit: "theirs"}).text == theirs.text
    kept = merge(base, theirs, mine, {frame.unit: "mine"})
    assert kept.text == mine.text.replace('["signal"]', '["abstract_unix_socket"]')


def test_changes_that_one_side_does_not_allow_are_applied_to_the_other() -> None:
    """A template with several values cannot be changed for one of them, but can where the draft wrote it out."""
    shared = BASE.replace('["/home/me"]', '["/home/me", "/home/you"]')
    mine = document(shared.replace('["${home}/out"]', '["/home/me/out"]'))
    theirs = document(shared.replace("443", "8443"))
    merged = merge(document(shared), theirs, mine)
    assert merged.text == mine.text.replace("443", "8443")


def test_right_granted_on_one_side_stays_handled() -> None:
    mine = document(BASE.replace('["abi.all"]', '["read_file", "read_dir", "write_file"]'))
    theirs = document(BASE.replace('["write_file"]', '["write_file", "execute"]'))
    after = meaning_of(merge(document(BASE), theirs, mine).policy)
    assert after.handled_fs == {"read_file", "read_dir", "write_file", "execute"}
