"""One module a foreign format: how a policy is written in it, and what it cannot say.

A format's module has one function, ``export``, and is imported when that format is asked for.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

from editor.policy.model import Policy
from editor.policy.tree import Format


class Source(NamedTuple):
    """The text that a policy was read from, so that a format can keep what the policy does not hold: comments."""

    text: str
    format: Format


class Loss(NamedTuple):
    """Something of a policy that an exported text does not say, as a whole sentence.

    ``widens`` tells that who reads the text permits more than the policy does.
    """

    what: str
    widens: bool


class Exported(NamedTuple):
    """A policy in another form, and what was lost on the way."""

    text: str
    lost: tuple[Loss, ...]


Exporter = Callable[[Policy, Source | None], Exported]


class FormatInfo(NamedTuple):
    """What a person is told of a format: ``suffix`` is the usual end of a file's name."""

    title: str
    suffix: str


ABOUT: Mapping[str, FormatInfo] = MappingProxyType(
    {
        "landlock-toml": FormatInfo("Landlock Config, TOML", ".toml"),
        "landlock-json": FormatInfo("Landlock Config, JSON", ".json"),
        "resolved": FormatInfo("what the policy means, canonical JSON", ".resolved.json"),
    }
)


def _exporter(name: str) -> Exporter:
    def export(policy: Policy, source: Source | None = None) -> Exported:
        module = import_module(f"editor.exchange.{name.replace('-', '_')}")
        exported: Exported = module.export(policy, source)
        return exported

    return export


FORMATS: Mapping[str, Exporter] = MappingProxyType({name: _exporter(name) for name in ABOUT})


def export_as(name: str, policy: Policy, source: Source | None = None) -> Exported:
    """``policy`` in the format ``name``, one of FORMATS. ``source`` is the text it was read from, where there is one.

    Raises KeyError for a format that does not exist.
    """
    return FORMATS[name](policy, source)
