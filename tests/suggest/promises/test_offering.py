"""Promises offered for what programs needed."""

from editor.landlock.rights import rights_of
from editor.suggest.folding import Need
from editor.suggest.promises.offering import offers
from editor.suggest.promises.promise import READ


def test_an_offer_says_what_it_is_for_and_leaves_the_other_needs() -> None:
    needs = [Need("/etc/passwd", READ), Need("/srv/data", READ), Need("/etc/group", READ)]
    (offer,), others = offers(needs, {443: frozenset({"connect_tcp"})}, rights_of("fs", 6))
    assert others == (needs[1],)
    assert offer.needs == (needs[0], needs[2])
    assert offer.ports == ()
    assert offer.purpose == "promise: getpw"
    assert offer.sentence == "Add the promise getpw: look up users and groups."
    assert "/etc/nsswitch.conf" in offer.unused
    assert {edit.comment for edit in offer.edits} == {"promise: getpw"}


def test_nothing_needed_is_offered_nothing() -> None:
    assert offers([], {}, rights_of("fs")) == ((), ())
