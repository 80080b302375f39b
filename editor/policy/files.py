"""Read policy files and detect their format."""

import os

from editor.policy.errors import PolicyError
from editor.policy.tree import Format

# Far larger than any policy (5,000 rules are half a megabyte); keeps /dev/zero from filling the memory.
MAX_BYTES = 16 << 20

# NAME.checks.toml next to NAME.toml holds checks of that policy, and is none itself.
CHECKS_SUFFIX = ".checks.toml"


def format_of(path: str, text: str = "") -> Format:
    """Return the format of the file ``path``: from its suffix, else from the first character of ``text``.

    TOML cannot start with a brace; a JSON configuration always does.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "json"
    return "json" if suffix != ".toml" and text.lstrip()[:1] == "{" else "toml"


def is_policy_name(name: str) -> bool:
    """Whether a file called ``name`` in a directory is taken for a policy: not if it is hidden, or holds checks."""
    return name.endswith((".toml", ".json")) and not name.startswith(".") and not name.endswith(CHECKS_SUFFIX)


def read_text(path: str) -> str:
    """Return the text of the policy file ``path``.

    Raises PolicyError if it cannot be opened or read, is larger than MAX_BYTES, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
    return decode(data, path)


def decode(data: bytes, path: str) -> str:
    """Decode the content of the policy file ``path``. Raises PolicyError if larger than MAX_BYTES or not UTF-8."""
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
