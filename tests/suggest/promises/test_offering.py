"""Promises offered for what programs needed."""

from editor.evaluation.resolve import resolve
from editor.suggest.folding import Need
from editor.suggest.promises.offering import offers
from editor.suggest.promises.promise import READ
from tests.suggest.promises.enforced import document_of


def test_an_offer_says_what_it_is_for_and_leaves_the_other_needs() -> None:
    needs = [Need("/etc/passwd", READ), Need("/srv/data", READ), Need("/etc/group", READ)]
    (offer,), others = offers(needs, {443: frozenset({"connect_tcp"})}, resolve(document_of(abi=6).policy))
    assert others == (needs[1],)
    assert offer.needs == (needs[0], needs[2])
    assert offer.ports == ()
    assert offer.purpose == "promise: getpw"
    assert offer.sentence == "Add the promise getpw: look up users and groups."
    assert "/etc/nsswitch.conf" in offer.unused
    assert {edit.comment for edit in offer.edits} == {"promise: getpw"}


def test_nothing_needed_is_offered_nothing() -> None:
    assert offers([], {}, resolve(document_of().policy)) == ((), ())


def test_what_the_policy_grants_already_is_not_offered_again() -> None:
    policy = resolve(document_of(rules=[(("/etc",), READ)]).policy)
    hosts = Need("/etc/hosts", READ | {"execute"})
    assert offers([Need("/etc/passwd", READ), hosts], {}, policy) == ((), (Need("/etc/passwd", READ), hosts))
