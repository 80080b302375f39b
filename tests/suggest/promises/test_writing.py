"""Promises in policies: plain rules under a comment, which follow the system and never touch other rules."""

from editor.editing.document import PolicyDocument
from editor.suggest.promises.promise import CONNECT, LIST, READ, Place, Port, Promise
from editor.suggest.promises.writing import edits_of, marks_of
from tests.suggest.promises.enforced import EMPTY


def _place(path: str, rights: frozenset[str]) -> Place:
    return Place(path, rights, "", path)


TWO = Promise(
    "dns",
    "",
    "",
    (_place("/etc/hosts", READ), _place("/etc/nsswitch.conf", READ), _place("/usr/share", LIST)),
    (Port(53, frozenset({"connect_tcp"}), ""), Port(53, frozenset({"connect_send_udp"}), "")),
)


def _document(text: str = EMPTY) -> PolicyDocument:
    return PolicyDocument.parse(text, "policy.toml", "toml")


def _with(promise: Promise, document: PolicyDocument) -> PolicyDocument:
    for edit in edits_of(promise, document):
        document = document.apply(edit)
    assert edits_of(promise, document) == ()
    return document


def test_the_rules_are_plain_ones_under_a_comment() -> None:
    added = """
# promise: dns
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/hosts", "/etc/nsswitch.conf"]

# promise: dns
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["/usr/share"]

# promise: dns
[[net_port]]
allowed_access = ["connect_tcp"]
port = [53]
"""
    assert _with(TWO, _document()).text == EMPTY + added
    assert marks_of(_with(TWO, _document())) == (("dns",),)


def test_rights_that_the_policy_does_not_handle_are_left_out() -> None:
    """A rule would make them handled, and so deny the same elsewhere."""
    text = EMPTY.replace('handled_access_net = ["abi.all"]\n', "").replace('["abi.all"]', '["read_dir"]', 1)
    document = _with(TWO, _document(text))
    assert document.policy.handled_fs == {"read_dir"}
    assert document.policy.handled_net == frozenset()
    assert [(set(rule.rights), len(rule.parents)) for rule in document.policy.path_rules] == [({"read_dir"}, 1)]


def test_what_other_rules_grant_is_left_out_until_they_go() -> None:
    other = '\n[[path_beneath]]\nallowed_access = ["read_file", "execute"]\nparent = ["/etc"]\n'
    document = _with(TWO, _document(EMPTY + other))
    assert [[parent.template for parent in rule.parents] for rule in document.policy.path_rules] == [
        ["/etc"],
        ["/usr/share"],
    ]
    later = _with(TWO, _document(document.text.replace(other, "")))
    assert {parent.template for rule in later.policy.path_rules for parent in rule.parents} == {
        place.path for place in TWO.places
    }


def test_a_refresh_follows_the_system_and_leaves_other_rules_alone() -> None:
    other = '\n# promise: dnssec\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/etc/gone"]\n'
    before = _with(TWO, _document(EMPTY + other))
    changed = TWO._replace(
        places=(_place("/etc/hosts", READ), _place("/etc/resolv.conf", READ), _place("/run/cache", CONNECT)),
        ports=(Port(5353, frozenset({"connect_tcp"}), ""),),
    )
    after = _with(changed, before)
    assert after.text == (
        EMPTY
        + other
        + """
# promise: dns
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/hosts", "/etc/resolv.conf"]

# promise: dns
[[net_port]]
allowed_access = ["connect_tcp"]
port = [5353]
"""
    )
    gone = _with(changed._replace(places=(), ports=()), after)
    assert gone.text == EMPTY + other


def test_each_set_of_programs_has_rules_of_its_own() -> None:
    loader = Promise("exec", "", "", (_place("/usr/share", READ),))
    python = loader._replace(places=(*loader.places, _place("/usr/lib", READ)), programs=("a b", "python3"))
    document = _with(python, _with(loader, _document()))
    assert [[parent.template for parent in rule.parents] for rule in document.policy.path_rules] == [
        ["/usr/share"],
        ["/usr/lib"],
    ]
    assert "# promise: exec 'a b' python3\n" in document.text
    assert marks_of(document) == (("exec",), ("exec", "a b", "python3"))


def test_in_json_what_is_missing_is_added() -> None:
    document = PolicyDocument.parse('{"abi": 6, "ruleset": [{"handledAccessFs": ["abi.all"]}]}', "p.json", "json")
    once = _with(TWO, document)
    assert len(once.policy.path_rules) == 2
    more = _with(TWO._replace(places=(*TWO.places, _place("/etc/gai.conf", READ))), once)
    assert [[parent.template for parent in rule.parents] for rule in more.policy.path_rules[2:]] == [["/etc/gai.conf"]]
    assert marks_of(more) == ()
