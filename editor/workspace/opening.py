"""What the screen opens. Imported before the first screen is shown, so it imports little."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.workspace.samples import SampleDraft

_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Opening(NamedTuple):
    """The policy files and directories to show as one policy; at least one.

    ``variables`` are those given on the command line. ``sample`` is what the first file starts as if it is new.
    """

    paths: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]] = _NONE
    sample: SampleDraft | None = None
