"""Landlock Config in JSON: as in TOML, but with camel case keys and without comments."""

from collections.abc import Iterable

from editor.exchange import Exported, Loss, Source
from editor.exchange.reference import unknown_to_reference
from editor.exchange.spelling import count_comments, quoted, right_element
from editor.policy.model import Policy

_WIDTH = 100  # a list that makes a longer line is written one element a line


def export(policy: Policy, source: Source | None = None) -> Exported:
    """Return ``policy`` as JSON, variables and groups as written; comments of ``source`` are lost."""
    if source is not None and source.format == "json":
        return Exported(source.text, unknown_to_reference(policy))
    lost = list(unknown_to_reference(policy))
    comments = count_comments(source) if source is not None else 0
    if comments:
        lost.append(Loss(f"{comments} comment{' is' if comments == 1 else 's are'} lost: JSON has no comments.", False))
    return Exported(_written(policy), tuple(lost))


def _written(policy: Policy) -> str:
    sections = [] if policy.abi is None else [f'  "abi": {policy.abi}']
    sections += _section(
        "variable",
        (
            (f'"name": {_string(variable.name)}', _list("literal", map(_string, variable.literals)))
            for variable in policy.variables
        ),
    )
    sections += _section(
        "ruleset",
        (
            (
                _list("handledAccessFs", map(_right, table.handled_access_fs)),
                _list("handledAccessNet", map(_right, table.handled_access_net)),
                _list("scoped", map(_right, table.scoped)),
            )
            for table in policy.rulesets
        ),
    )
    sections += _section(
        "pathBeneath",
        (
            (
                _list("allowedAccess", map(_right, rule.allowed_access)),
                _list("parent", (_string(each.template) for each in rule.parents)),
            )
            for rule in policy.path_rules
        ),
    )
    sections += _section(
        "netPort",
        (
            (
                _list("allowedAccess", map(_right, rule.allowed_access)),
                f'"port": [{", ".join(str(each.port) for each in rule.ports)}]',
            )
            for rule in policy.port_rules
        ),
    )
    return "{\n" + ",\n".join(sections) + "\n}\n"


def _section(key: str, tables: Iterable[tuple[str, ...]]) -> list[str]:
    """Return ``key`` with its list of objects as one member; nothing if there is no object."""
    objects = []
    for members in tables:
        lines = ",\n".join(f"      {member}" for member in members if member)
        objects.append(f"    {{\n{lines}\n    }}")
    return [f'  "{key}": [\n' + ",\n".join(objects) + "\n  ]"] if objects else []


def _string(text: str) -> str:
    return quoted(text, wide=False)


def _right(written: str) -> str:
    return right_element(written, wide=False)


def _list(key: str, elements: Iterable[str]) -> str:
    """Return ``"key": [...]``, empty if there is no element, since the format forbids empty lists."""
    texts = list(elements)
    if not texts:
        return ""
    line = f'"{key}": [{", ".join(texts)}]'
    if len(line) <= _WIDTH:
        return line
    return f'"{key}": [\n' + ",\n".join(f"        {text}" for text in texts) + "\n      ]"
