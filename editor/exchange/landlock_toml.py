"""Landlock Config in TOML. A policy that was read from TOML is exported as that very text, comments included."""

from collections.abc import Iterable

from editor.exchange import Exported, Source
from editor.exchange.reference import unknown_to_reference
from editor.exchange.spelling import quoted, right_element
from editor.policy.model import Policy

_WIDTH = 100  # a list that makes a longer line is written one element a line


def export(policy: Policy, source: Source | None = None) -> Exported:
    """Return ``policy`` as TOML, variables and groups as written."""
    text = source.text if source is not None and source.format == "toml" else _written(policy)
    return Exported(text, unknown_to_reference(policy))


def _written(policy: Policy) -> str:
    blocks = [] if policy.abi is None else [f"abi = {policy.abi}\n"]
    blocks += [
        _table("variable", (f"name = {_string(variable.name)}", _list("literal", map(_string, variable.literals))))
        for variable in policy.variables
    ]
    for table in policy.rulesets:
        lists = (
            _list("handled_access_fs", map(_right, table.handled_access_fs)),
            _list("handled_access_net", map(_right, table.handled_access_net)),
            _list("scoped", map(_right, table.scoped)),
        )
        blocks.append(_table("ruleset", lists))
    for rule in policy.path_rules:
        parents = _list("parent", (_string(parent.template) for parent in rule.parents))
        rights = _list("allowed_access", map(_right, rule.allowed_access))
        blocks.append(_table("path_beneath", (rights, parents)))
    for port_rule in policy.port_rules:
        ports = f"port = [{', '.join(str(entry.port) for entry in port_rule.ports)}]"
        rights = _list("allowed_access", map(_right, port_rule.allowed_access))
        blocks.append(_table("net_port", (rights, ports)))
    return "\n".join(blocks)


def _string(text: str) -> str:
    return quoted(text, wide=True)


def _right(written: str) -> str:
    return right_element(written, wide=True)


def _table(name: str, members: Iterable[str]) -> str:
    return f"[[{name}]]\n" + "".join(f"{member}\n" for member in members if member)


def _list(key: str, elements: Iterable[str]) -> str:
    """Return ``key = [...]``, empty if there is no element, since the format forbids empty lists."""
    texts = list(elements)
    if not texts:
        return ""
    line = f"{key} = [{', '.join(texts)}]"
    if len(line) <= _WIDTH:
        return line
    return f"{key} = [\n" + "".join(f"    {text},\n" for text in texts) + "]"
