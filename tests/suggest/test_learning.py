"""A plan as the rules of a policy: their order, their comments, and what is merged."""

import pytest

from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, AddPortRule, GrantPath, GrantPort, SetScope
from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.report import Access
from editor.suggest.learning import empty_policy, extend_policy, topic_of, write_policy
from editor.suggest.plan import Kind, Proposal

READ = frozenset({"read_file"})
RUN = frozenset({"execute", "read_file"})
WRITE = frozenset({"write_file", "make_reg"})

HEADER = """\
# What tool needs, as learned from runs. All else that Landlock can deny is denied.
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]
"""


def access(process: str) -> Access:
    return Access("denied", READ, READ, "/x", "/x", None, "openat", None, process, 1, 1)


def on_path(
    path: str, rights: RightSet, *processes: str, kind: Kind = "exact", purpose: str = "", comment: str | None = None
) -> Proposal:
    edit = GrantPath(path, rights) if comment is None else AddPathRule((path,), rights, comment)
    return Proposal((edit,), tuple(map(access, processes)), kind, "sentence", purpose=purpose)


def empty() -> PolicyDocument:
    return empty_policy("tool.toml", "toml", 6, "/usr/bin/tool")


def test_an_empty_policy_handles_everything_and_says_whose_it_is() -> None:
    assert empty().text == HEADER
    assert empty_policy("tool.json", "json", 6, "tool").policy.path_rules == ()


def test_rules_are_in_the_order_of_a_person_each_under_a_comment() -> None:
    proposals = (
        on_path("/srv/app/out", WRITE, "tool", purpose="build output"),
        Proposal((GrantPort(443, frozenset({"connect_tcp"})),), (), "exact", "sentence"),
        on_path("/etc/b.conf", READ, "tool"),
        on_path("/etc/a.conf", READ, "sh", "tool"),
        on_path("/dev/null", READ, "sh"),
        on_path("/usr/lib/x86_64-linux-gnu", READ, "tool", purpose="shared libraries of tool"),
        on_path("/usr/bin/tool", RUN, "tool"),
    )
    learned = write_policy(empty(), proposals)
    assert learned.problems == ()
    assert (
        learned.document.text.removeprefix(HEADER)
        == """
# Programs (for tool)
[[path_beneath]]
allowed_access = ["execute", "read_file"]
parent = ["/usr/bin/tool"]

# Shared libraries of tool (for tool)
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr/lib/x86_64-linux-gnu"]

# Configuration (for tool, sh)
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/a.conf", "/etc/b.conf"]

# Devices (for sh)
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/dev/null"]

# Build output (for tool)
[[path_beneath]]
allowed_access = ["write_file", "make_reg"]
parent = ["/srv/app/out"]

# Ports, called
[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]
"""
    )


def test_promises_stay_rules_of_their_own_under_their_comment() -> None:
    proposals = (
        on_path("/etc/hosts", READ, kind="promise", comment="promise: dns"),
        Proposal((AddPortRule((53,), frozenset({"connect_tcp"}), "promise: dns"),), (), "promise", "sentence"),
        on_path("/etc/other", READ, "tool"),
    )
    text = write_policy(empty(), proposals).document.text
    assert '# promise: dns\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/etc/hosts"]' in text
    assert '# promise: dns\n[[net_port]]\nallowed_access = ["connect_tcp"]\nport = [53]' in text
    assert (
        '# Configuration (for tool)\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/etc/other"]' in text
    )


def test_names_in_comments_are_printable_and_not_too_many() -> None:
    proposals = (on_path("/etc/x", READ, "a\n[[evil]]", "b", "c", "d", "e", "f"),)
    text = write_policy(empty(), proposals).document.text
    assert "# Configuration (for a\\x0a[[evil]], b, c, d, and 2 more)\n" in text


def test_what_cannot_be_written_is_a_problem_and_not_lost() -> None:
    learned = write_policy(empty(), (on_path("/bad\udcff", READ), on_path("/etc/x", READ)))
    assert [rule.parents[0].template for rule in learned.document.policy.path_rules] == ["/etc/x"]
    (problem,) = learned.problems
    assert "not valid UTF-8" in problem


def test_extending_grows_the_rule_that_names_the_path_and_leaves_the_rest_alone() -> None:
    text = f'{HEADER}\n# mine\n[[path_beneath]] # keep\nallowed_access = ["read_dir"]\nparent = ["/etc/x"]\n'
    before = PolicyDocument.parse(text, "tool.toml", "toml")
    learned = extend_policy(before, (on_path("/etc/x", READ, "tool"), on_path("/srv", READ, "tool")))
    assert learned.document.text == text.replace('["read_dir"]', '["read_file", "read_dir"]') + (
        '\n# Read (for tool)\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/srv"]\n'
    )


def test_a_rule_that_names_the_path_with_a_variable_grows_as_well() -> None:
    text = f"""{HEADER}
[[variable]]
name = "conf"
literal = ["/etc/x"]

[[path_beneath]]
allowed_access = ["read_dir"]
parent = ["${{conf}}"]
"""
    before = PolicyDocument.parse(text, "tool.toml", "toml")
    learned = extend_policy(before, (on_path("/etc/x", READ, "tool"),))
    assert (learned.problems, len(learned.document.policy.path_rules)) == ((), 1)
    assert learned.document.policy.path_rules[0].rights == {"read_file", "read_dir"}


def test_a_protected_place_has_a_rule_of_its_own_that_says_so() -> None:
    keys = on_path("/etc/ssl/private", READ, "tool")._replace(confirm="/etc/ssl/private (private keys)")
    text = write_policy(empty(), (on_path("/etc/x", READ, "tool"), keys)).document.text
    assert (
        text.removeprefix(HEADER)
        == """
# Configuration (for tool)
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/x"]

# Configuration (for tool)
# Protected, but needed: /etc/ssl/private (private keys)
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/ssl/private"]
"""
    )


def test_scopes_are_opened_by_proposals_alone() -> None:
    opened = Proposal((SetScope("signal", False),), (), "exact", "sentence")
    assert write_policy(empty(), (opened,)).document.policy.scoped == {"abstract_unix_socket"}
    assert write_policy(empty(), ()).document.text == HEADER


@pytest.mark.parametrize(
    ("path", "rights", "topic"),
    [
        ("/usr/bin/git", RUN, "programs"),
        ("/usr/lib/git-core", RUN, "programs"),
        ("/etc/ld.so.cache", READ, "libraries"),
        ("/opt/tool/libtool.so.1", READ, "libraries"),
        ("/usr/lib/python3.11", READ, "modules"),
        ("/srv/app/node_modules", READ, "modules"),
        ("/etc/passwd", READ, "configuration"),
        ("/home/ann/.gitconfig", READ, "configuration"),
        ("/usr/share/zoneinfo", READ, "data"),
        ("/dev/null", WRITE, "devices"),
        ("/dev/shm", WRITE, "temporary"),
        ("/proc/self", READ, "processes"),
        ("/srv/app/out", WRITE, "written"),
        ("/tmp", WRITE, "temporary"),
        ("/tmpfiles", READ, "data"),
    ],
)
def test_what_a_rule_is_about(path: str, rights: RightSet, topic: str) -> None:
    assert topic_of(path, rights) == topic
