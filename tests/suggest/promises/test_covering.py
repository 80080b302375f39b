"""Which promises hold what programs needed."""

from editor.landlock.rights import RightSet
from editor.suggest.folding import Need
from editor.suggest.promises.covering import covering
from editor.suggest.promises.promise import CONNECT, LIST, READ, RUN, Place, Port, Promise

_PYTHON = Promise(
    "python",
    "",
    "",
    (
        Place("/usr/bin/python3", RUN, "", "/usr/bin/python3.11"),
        Place("/usr/lib/python3.11", LIST, "", "/usr/lib/python3.11"),
    ),
)
_DNS = Promise(
    "dns",
    "",
    "",
    (
        Place("/etc/hosts", READ, "", "/etc/hosts"),
        Place("/etc/nsswitch.conf", READ, "", "/etc/nsswitch.conf"),
    ),
    (Port(53, frozenset({"connect_tcp"}), ""), Port(53, frozenset({"connect_send_udp"}), "")),
)
_GETPW = Promise(
    "getpw",
    "",
    "",
    (
        Place("/etc/passwd", READ, "", "/etc/passwd"),
        Place("/etc/nsswitch.conf", READ, "", "/etc/nsswitch.conf"),
        Place("/run/nscd/socket", CONNECT, "", "/run/nscd/socket"),
    ),
)


def _needs(*each: tuple[str, RightSet]) -> list[Need]:
    return [Need(path, rights) for path, rights in each]


def test_a_promise_holds_what_is_at_or_below_its_paths_by_their_real_names() -> None:
    needs = _needs(
        ("/usr/lib/python3.11/ssl.py", READ),
        ("/usr/lib/python3.11", frozenset({"read_dir"})),
        ("/usr/bin/python3.11", RUN),
        ("/usr/lib/python3.11/x", frozenset({"write_file"})),
        ("/usr/lib/python3.110", READ),
    )
    (cover,) = covering(needs, promises=[_PYTHON, _DNS])
    assert cover.promise == _PYTHON
    assert cover.needs == tuple(needs[:3])
    assert cover.unused == ()


def test_each_need_is_given_to_one_promise_that_holds_the_most() -> None:
    needs = _needs(("/etc/nsswitch.conf", READ), ("/etc/passwd", READ))
    (cover,) = covering(needs, promises=[_DNS, _GETPW])
    assert (cover.promise, cover.needs, cover.unused) == (_GETPW, tuple(needs), ("/run/nscd/socket",))
    needs += _needs(("/etc/hosts", READ))
    covers = covering(needs, {53: frozenset({"connect_tcp", "connect_send_udp"})}, [_GETPW, _DNS])
    assert [(each.promise.name, len(each.needs), each.ports) for each in covers] == [
        ("dns", 2, (53,)),
        ("getpw", 1, ()),
    ]


def test_rights_beyond_the_promise_are_not_held() -> None:
    assert covering(_needs(("/etc/hosts", RUN)), {53: frozenset({"bind_tcp"})}, [_DNS]) == ()
    assert covering([], promises=[_DNS]) == ()


def test_this_systems_promises_are_the_default() -> None:
    (cover,) = covering(_needs(("/etc/hosts", READ)))
    assert (cover.promise.name, len(cover.needs)) == ("dns", 1)
