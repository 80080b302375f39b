"""The kinds of findings of ``paddock check``, each with how bad it is and why it matters.

Few and certain rather than many: each finding names one cause, with a sentence that says what will happen. What is
often intended is a note, which is no reason to fail.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from editor.editing.edits import Edit
from editor.policy.model import Location

Severity = Literal["error", "warning", "note"]


class Lint(NamedTuple):
    """One kind of finding: how bad it is, in a few words what it is, and why it matters. ``fixable``: at times."""

    severity: Severity
    title: str
    why: str
    fixable: bool = False


LINTS: Mapping[str, Lint] = MappingProxyType(
    {
        "nothing-restricted": Lint(
            "error", "The policy restricts nothing", "No right is handled, so a program under it may do everything."
        ),
        "unhandled-right": Lint(
            "warning",
            "Rights that nothing restricts",
            "Only handled rights are denied by default. Where a policy handles some rights of a kind, the others stay "
            "free for everything, which is easily overlooked.",
        ),
        "never-granted": Lint(
            "note", "Handled rights that no rule grants", "They are denied everywhere. That is often what is meant."
        ),
        "newer-right": Lint(
            "warning",
            "A right newer than the intended ABI",
            "A kernel that does not know a right does not restrict it: there, the policy permits more than it says.",
        ),
        "unknown-to-reference": Lint(
            "note",
            "A right that landlockconfig does not know yet",
            "The reference implementation, and with it llconfig and Island, refuses a file that names it.",
        ),
        "unnamed-right": Lint(
            "warning",
            "A right given as a number",
            "It belongs to a kernel later than any that Paddock knows: other kernels do not restrict it, and other "
            "readers of the format take names only.",
        ),
        "empty-group": Lint(
            "warning",
            "A group that stands for nothing",
            "At the file's abi the group has no right, so the table has no effect: what it lists is not restricted.",
        ),
        "unused-variable": Lint(
            "warning", "A variable that no path uses", "It has no effect; its name may be misspelt.", fixable=True
        ),
        "missing-path": Lint(
            "warning",
            "A path that does not exist",
            "A rule belongs to a file or directory that exists when the policy is enforced; a missing one is skipped.",
        ),
        "file-right": Lint(
            "warning",
            "Rights that a file cannot hold",
            "Rights on directories have no meaning on a file, and are left out there.",
            fixable=True,
        ),
        "covered-rule": Lint(
            "warning",
            "A path whose rights other rules give already",
            "Rules apply to everything beneath their path and add up, so the entry has no effect: taking a right out "
            "of it will not deny anything.",
            fixable=True,
        ),
        "write-without-truncate": Lint(
            "warning",
            "Writing without truncate",
            "Programs that overwrite a file open it with O_TRUNC, which needs truncate beside write_file.",
        ),
        "execute-without-read_file": Lint(
            "warning", "Executing without reading", "The kernel reads what it executes: both rights are needed."
        ),
        "make-without-write": Lint(
            "warning",
            "Making files without writing them",
            "A file made with open(2) is opened for writing as well: the call fails and leaves an empty file behind.",
        ),
        "write-and-execute": Lint(
            "note",
            "Writing and executing on one hierarchy",
            "A program under the policy can execute what it wrote there itself.",
        ),
        "root-writable": Lint("warning", "Everything can be written", "A rule on / reaches every file there is."),
        "root-readable": Lint("warning", "Everything can be read", "A rule on / reaches every file there is."),
        "home-writable": Lint(
            "warning",
            "A whole home directory can be written",
            "That holds what runs at the next login (~/.profile, ~/.ssh/authorized_keys): a way out of the sandbox.",
        ),
        "home-readable": Lint(
            "warning", "A whole home directory can be read", "That holds keys, tokens, mail and histories."
        ),
        "credentials": Lint(
            "warning",
            "Credentials can be read",
            "Of what stands there, only file permissions still keep the program out.",
        ),
        "system-writable": Lint(
            "warning",
            "/proc, /sys or /dev can be written as a whole",
            "Writing there changes the kernel, other processes or devices.",
        ),
        "system-readable": Lint(
            "note",
            "/proc, /sys or /dev can be read as a whole",
            "That tells of other processes and devices, for root also their content.",
        ),
        "policy-writable": Lint(
            "warning",
            "The policy can be changed from inside",
            "A program under the policy can rewrite it, and is free at its next start.",
        ),
        "refer-denied": Lint(
            "warning",
            "Files cannot be moved between directories",
            "refer is denied by every policy that restricts any filesystem right, even where it does not handle refer: "
            "rename(2) and link(2) between directories fail with EXDEV.",
        ),
        "refer-alone": Lint(
            "warning",
            "refer without anything to move",
            "Moving a file needs remove and make rights on the directories beside refer.",
        ),
        "symlink": Lint(
            "note",
            "A rule through a symbolic link",
            "The rule belongs to what the link leads to when the policy is enforced.",
        ),
        "bind-mount": Lint(
            "note", "A rule on a bind mount", "The rule belongs to the directory itself, wherever else it is reached."
        ),
        "overlay-layer": Lint(
            "warning",
            "A rule on a layer of an overlay filesystem",
            "Layers and the merged tree are separate hierarchies for Landlock: a rule on one does not reach the other.",
        ),
    }
)


class Finding(NamedTuple):
    """One finding: a key of LINTS, how bad it is, where, one sentence, and edits that mend it without side effects."""

    id: str
    severity: Severity
    location: Location
    message: str
    fix: tuple[Edit, ...] = ()


def finding(
    id: str, location: Location, message: str, *, severity: Severity | None = None, fix: tuple[Edit, ...] = ()
) -> Finding:
    """A finding with the severity of its kind, unless another is given."""
    return Finding(id, severity or LINTS[id].severity, location, message, fix)
