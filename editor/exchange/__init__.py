"""Other formats for policies, one module each: how to write a policy in it, and what it cannot express.

The module of a format has one function, ``export``, and is imported when the format is first used.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import NamedTuple

from editor.policy.model import Policy
from editor.policy.tree import Format


class Source(NamedTuple):
    """The text that a policy was read from, for what the policy does not contain: comments."""

    text: str
    format: Format


class Loss(NamedTuple):
    """Something that an exported text does not express, as a sentence.

    ``widens`` tells whether the text therefore allows more than the policy.
    """

    message: str
    widens: bool


class Exported(NamedTuple):
    """A policy in another format, and what was lost."""

    text: str
    lost: tuple[Loss, ...]


Exporter = Callable[[Policy, Source | None], Exported]


class FormatInfo(NamedTuple):
    """How a format is shown: its title, and ``suffix``, the usual end of a file name."""

    title: str
    suffix: str


FORMAT_INFO: Mapping[str, FormatInfo] = MappingProxyType(
    {
        "landlock-toml": FormatInfo("Landlock Config, TOML", ".toml"),
        "landlock-json": FormatInfo("Landlock Config, JSON", ".json"),
        "resolved": FormatInfo("the meaning of the policy, canonical JSON", ".resolved.json"),
    }
)


def _exporter(name: str) -> Exporter:
    def export(policy: Policy, source: Source | None = None) -> Exported:
        module = import_module(f"editor.exchange.{name.replace('-', '_')}")
        exported: Exported = module.export(policy, source)
        return exported

    return export


FORMATS: Mapping[str, Exporter] = MappingProxyType({name: _exporter(name) for name in FORMAT_INFO})


def export_as(name: str, policy: Policy, source: Source | None = None) -> Exported:
    """Return ``policy`` in the format ``name``, a key of FORMATS. ``source`` is the text it was read from, if any.

    Raises KeyError for an unknown format.
    """
    return FORMATS[name](policy, source)
