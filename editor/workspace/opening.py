"""What the screen is asked to open."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.workspace.samples import SampleDraft

_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Opening(NamedTuple):
    """Policy files, and directories of them, to be shown as one policy; there is one at least.

    ``variables`` are those of the command line, ``sample`` is what the first file starts as where it is new.
    """

    paths: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]] = _NONE
    sample: SampleDraft | None = None
