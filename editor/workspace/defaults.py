"""The text that a draft starts with, and the ABI that it is decided for."""

from editor.editing.document import NEW_POLICY_ABI, new_policy_text
from editor.landlock.abi import KernelState
from editor.landlock.rights import LATEST_ABI
from editor.policy.files import decode, format_of
from editor.policy.reference import REFERENCE_MAX_ABI


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
