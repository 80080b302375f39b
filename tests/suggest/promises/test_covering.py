"""Which promises hold what programs needed."""

from editor.landlock.rights import RightSet, rights_of
from editor.suggest.folding import Need
from editor.suggest.promises.covering import covering
from editor.suggest.promises.promise import LIST, READ, RUN, USE, Place, Port, Promise
from editor.suggest.promises.writing import new_rules

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
        Place("/lib/libnss_db.so", READ, "", "/usr/lib/libnss_db.so"),
    ),
)
_TTY = Promise(
    "tty",
    "",
    "",
    (Place("/dev/tty", USE, "", "/dev/tty"), Place("/usr/share/terminfo", READ, "", "/usr/share/terminfo")),
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
    assert (cover.promise, cover.needs, cover.unused) == (_GETPW, tuple(needs), ("/lib/libnss_db.so",))
    needs += _needs(("/etc/hosts", READ), ("/usr/lib/libnss_db.so", READ))
    covers = covering(needs, {53: frozenset({"connect_tcp", "connect_send_udp"})}, [_GETPW, _DNS])
    found = [(each.promise.name, len(each.needs), each.ports) for each in covers]
    assert found == [("getpw", 3, ()), ("dns", 1, (53,))]
    # What one promise holds is not said twice.
    assert [place.path for place in covers[1].promise.places] == ["/etc/hosts"]


def test_a_single_need_is_no_reason_for_a_promise() -> None:
    assert covering(_needs(("/etc/hosts", READ)), promises=[_DNS]) == ()
    assert covering([], promises=[_DNS]) == ()


def test_rights_beyond_the_promise_are_not_held() -> None:
    needs = _needs(("/etc/hosts", RUN), ("/etc/nsswitch.conf", RUN))
    assert covering(needs, {53: frozenset({"bind_tcp"})}, [_DNS]) == ()


def test_a_promise_fits_only_if_all_that_it_lets_programs_write_was_written() -> None:
    needs = _needs(("/dev/tty", READ), ("/usr/share/terminfo/x", READ))
    assert covering(needs, promises=[_TTY]) == ()
    (cover,) = covering([*needs, Need("/dev/tty", frozenset({"write_file"}))], promises=[_TTY])
    assert len(cover.needs) == 3


def test_a_promise_with_ports_fits_only_if_one_was_needed_or_none_is_restricted() -> None:
    needs = _needs(("/etc/hosts", READ), ("/etc/nsswitch.conf", READ))
    assert covering(needs, promises=[_DNS]) == ()
    (cover,) = covering(needs, promises=[_DNS], handled=rights_of("fs"))
    assert cover.promise.ports == ()


def test_this_systems_promises_are_the_default() -> None:
    (cover,) = covering(_needs(("/etc/group", READ), ("/etc/passwd", READ)), handled=LIST)
    assert (cover.promise.name, len(cover.needs)) == ("getpw", 2)
    assert {(rule.rights, rule.comment) for rule in new_rules(cover.promise, READ)} == {(READ, "promise: getpw")}
    assert new_rules(cover.promise, frozenset()) == ()
