"""What the screen opens, and the text that a draft starts with."""

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
    """The policy files and directories to show as one policy; at least one.

    ``variables`` are those given on the command line. ``sample`` is what the first file starts as if it is new.
    """

    paths: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]] = _NONE
    sample: SampleDraft | None = None


def enforced_abi(kernel: KernelState, wanted: int | None) -> int:
    """Return the ABI to decide for: the kernel's, or ``wanted`` if that is older.

    On a kernel without Landlock, the kernel's counts as the newest ABI known.
    """
    enforced = kernel.effective_abi or LATEST_ABI
    return enforced if wanted is None else min(enforced, wanted)


def first_text(path: str, data: bytes | None, kernel: KernelState, new_text: str | None) -> str:
    """Return the text that the draft of ``path`` starts with; ``data`` is the content of the file.

    If the file does not exist (``data`` is None), that is ``new_text``, by default a policy that handles everything
    that both this kernel and landlockconfig know, and grants nothing. Raises PolicyError if ``data`` is not text.
    """
    if data is not None:
        return decode(data, path)
    if new_text is not None:
        return new_text
    return new_policy_text(min(kernel.effective_abi or NEW_POLICY_ABI, REFERENCE_MAX_ABI), format_of(path))
