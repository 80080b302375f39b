"""What the screen is asked to open, and what a file starts as."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.editing.document import NEW_POLICY_ABI, new_policy_text
from editor.landlock.abi import KernelState
from editor.landlock.rights import LATEST_ABI
from editor.policy.files import decode, format_of
from editor.policy.reference import REFERENCE_MAX_ABI
from editor.workspace.samples import SampleDraft

_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Opening(NamedTuple):
    """Policy files, and directories of them, to be shown as one policy; there is one at least.

    ``variables`` are those of the command line, ``sample`` is what the first file starts as where it is new.
    """

    paths: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]] = _NONE
    sample: SampleDraft | None = None


def enforced_abi(kernel: KernelState, wanted: int | None) -> int:
    """Return the ABI that verdicts are made for: the kernel's, or the older one ``wanted``.

    Without Landlock in the kernel, that of the newest kernel known.
    """
    enforced = kernel.effective_abi or LATEST_ABI
    return enforced if wanted is None else min(enforced, wanted)


def first_text(path: str, data: bytes | None, kernel: KernelState, new_text: str | None) -> str:
    """Return the text that the draft of ``path`` starts as, ``data`` being the file's content.

    A file that does not exist (None) starts as ``new_text``, by default as a policy that handles everything that this
    kernel and landlockconfig know, and grants nothing. Raises PolicyError for content that is no text.
    """
    if data is not None:
        return decode(data, path)
    if new_text is not None:
        return new_text
    return new_policy_text(min(kernel.effective_abi or NEW_POLICY_ABI, REFERENCE_MAX_ABI), format_of(path))
