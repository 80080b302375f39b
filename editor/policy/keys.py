"""The keys of Landlock Config in its two spellings."""

from typing import NamedTuple

from editor.policy.tree import Format


class Keys(NamedTuple):
    """The format's keys in one of its two spellings."""

    abi: str
    variable: str
    ruleset: str
    path_beneath: str
    net_port: str
    name: str
    literal: str
    handled_access_fs: str
    handled_access_net: str
    scoped: str
    allowed_access: str
    parent: str
    port: str


KEYS: dict[Format, Keys] = {
    "toml": Keys(
        "abi", "variable", "ruleset", "path_beneath", "net_port", "name", "literal",
        "handled_access_fs", "handled_access_net", "scoped", "allowed_access", "parent", "port",
    ),
    "json": Keys(
        "abi", "variable", "ruleset", "pathBeneath", "netPort", "name", "literal",
        "handledAccessFs", "handledAccessNet", "scoped", "allowedAccess", "parent", "port",
    ),
}  # fmt: skip
