"""Reading policy files: their text, and the format that it is in."""

import os

from editor.policy.errors import PolicyError
from editor.policy.tree import Format

# Far above any policy (5,000 rules are half a megabyte); keeps /dev/zero from filling the memory.
MAX_BYTES = 16 << 20


def format_of(path: str, text: str = "") -> Format:
    """The format of the file ``path``: by its suffix, and where that is neither by the first character of ``text``.

    A TOML text cannot start with a brace, a JSON configuration starts with nothing else.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "json"
    return "json" if suffix != ".toml" and text.lstrip()[:1] == "{" else "toml"


def read_text(path: str) -> str:
    """The text of the policy file ``path``.

    Raises PolicyError where it cannot be opened or read, is larger than MAX_BYTES, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
    return decode(data, path)


def decode(data: bytes, path: str) -> str:
    """The text of a policy file's content. Raises PolicyError where it is larger than MAX_BYTES or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise PolicyError(f"larger than {MAX_BYTES >> 20} MiB: not a policy", file=path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        message = f"not valid UTF-8: byte 0x{data[error.start]:02x}"
        raise PolicyError(message, file=path, line=line, column=column) from error
