"""The kinds of findings of ``paddock check``, each with its severity and the reason why it matters.

They are few and certain rather than many: each finding names one cause and says what will happen. What is often
intentional is a note, which does not count as a failure.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from editor.editing.edits import TidyingEdit
from editor.policy.model import Location

Severity = Literal["error", "warning", "note"]


class Lint(NamedTuple):
    """One kind of finding: its severity, a title, and why it matters; ``fixable`` if some findings of it are."""

    severity: Severity
    title: str
    why: str
    fixable: bool = False


LINTS: Mapping[str, Lint] = MappingProxyType(
    {
        "nothing-restricted": Lint(
            "error", "The policy restricts nothing", "It handles no right, so a program under it may do everything."
        ),
        "unhandled-right": Lint(
            "warning",
            "Rights that nothing restricts",
            "Only handled rights are denied by default. If a policy handles some rights of a kind, the others stay "
            "unrestricted, which is easily overlooked.",
        ),
        "never-granted": Lint(
            "note", "Handled rights that no rule grants", "They are denied everywhere, which is often intended."
        ),
        "newer-right": Lint(
            "warning",
            "A right newer than the target ABI",
            "A kernel that does not know a right does not restrict it, so there the policy allows more than it states.",
        ),
        "unknown-to-reference": Lint(
            "note",
            "A right that landlockconfig does not know yet",
            "The reference implementation, and thus llconfig and Island, rejects a file that names it.",
        ),
        "abi-beyond-reference": Lint(
            "note",
            "An abi higher than landlockconfig knows",
            "The reference implementation takes it as the highest ABI of its build, so that groups stand for fewer "
            "rights there and the others are not restricted.",
        ),
        "empty-on-file": Lint(
            "note",
            "A file of which no right is left",
            "Rights for directories mean nothing on a file. Paddock skips such a rule with a warning; llconfig fails "
            "to build the ruleset and does not start the command.",
        ),
        "mixed-formats": Lint(
            "note",
            "A directory with policies in TOML and in JSON",
            "Paddock composes all of them. llconfig reads one format of a directory, as its option says.",
        ),
        "newer-than-kernel": Lint(
            "note",
            "A right that this machine's kernel does not know",
            "A kernel that does not know a right does not restrict it; the policy may be meant for another machine.",
        ),
        "network-around": Lint(
            "note",
            "Other sockets lead around connect_tcp",
            "Landlock restricts TCP, and UDP from ABI 10 on. Denying other sockets takes a seccomp filter or a network "
            "namespace.",
        ),
        "session-reachable": Lint(
            "note",
            "A display or session bus can be reached",
            "Whoever can talk to an X display or a session bus can often start programs outside the sandbox. Programs "
            "with windows need it.",
        ),
        "unnamed-right": Lint(
            "warning",
            "A right given as a number",
            "It belongs to a kernel newer than any that Paddock knows: older kernels do not restrict it, and other "
            "readers of the format accept names only.",
        ),
        "empty-group": Lint(
            "warning",
            "A group without rights",
            "The group has no rights at the file's abi, so the table has no effect and restricts nothing.",
        ),
        "handled-by-some": Lint(
            "warning",
            "Rights of a kind that only some of the files restrict",
            "What several files restrict together is what each of them restricts, so the rules of one mean nothing if "
            "another handles no right of their kind.",
        ),
        "unused-variable": Lint(
            "warning", "A variable that no path uses", "It has no effect; a name may be misspelled.", fixable=True
        ),
        "empty-variable": Lint(
            "warning",
            "A variable without a value",
            "A path that uses it stands for no path, so its rule vanishes; --var NAME=VALUE can give a value.",
        ),
        "missing-path": Lint(
            "warning",
            "A path that does not exist",
            "A rule belongs to a file or directory that exists when the policy is enforced; a missing one is skipped.",
        ),
        "unreadable-path": Lint(
            "warning",
            "A path that cannot have a rule",
            "The path cannot be reached with these permissions, or leads to what the kernel never checks, like a pipe.",
        ),
        "file-right": Lint(
            "warning",
            "Rights that cannot be granted on a file",
            "Directory rights mean nothing on a file, and are left out of its rule.",
            fixable=True,
        ),
        "covered-rule": Lint(
            "warning",
            "A path whose rights other rules grant already",
            "Rules apply to everything beneath their path and add up, so the entry has no effect: removing a right "
            "from it does not deny anything.",
            fixable=True,
        ),
        "write-without-truncate": Lint(
            "warning",
            "Writing without truncate",
            "Programs that overwrite a file open it with O_TRUNC, which needs truncate as well as write_file.",
        ),
        "execute-without-read_file": Lint(
            "warning", "Executing without reading", "The kernel reads what it executes, so both rights are needed."
        ),
        "make-without-write": Lint(
            "warning",
            "Creating files without writing them",
            "open(2) opens the file that it creates for writing: the call fails and leaves an empty file behind.",
        ),
        "write-and-execute": Lint(
            "note",
            "Writing and executing in one hierarchy",
            "A program under the policy can execute what it wrote there.",
        ),
        "root-writable": Lint("warning", "Everything can be written", "A rule on / covers every file."),
        "root-readable": Lint("warning", "Everything can be read", "A rule on / covers every file."),
        "home-writable": Lint(
            "warning",
            "A whole home directory can be written",
            "It has files that run at the next login (~/.profile, ~/.ssh/authorized_keys): a way out of the sandbox.",
        ),
        "home-readable": Lint(
            "warning", "A whole home directory can be read", "It has keys, tokens, mail and shell histories."
        ),
        "credentials": Lint(
            "warning",
            "Credentials can be read",
            "Only file permissions still protect them from the program.",
        ),
        "system-writable": Lint(
            "warning",
            "/proc, /sys or /dev can be written as a whole",
            "Writing there changes the kernel, other processes or devices.",
        ),
        "system-readable": Lint(
            "note",
            "/proc, /sys or /dev can be read as a whole",
            "It exposes other processes and devices, to root also their content.",
        ),
        "policy-writable": Lint(
            "warning",
            "The policy can be changed from inside the sandbox",
            "A program under the policy can rewrite it, and is unrestricted at its next start.",
        ),
        "refer-denied": Lint(
            "warning",
            "Files cannot be moved between directories",
            "Every policy that restricts any filesystem right denies refer, even without handling it: rename(2) and "
            "link(2) between directories fail with EXDEV, or with EACCES if a make or remove right is missing too.",
        ),
        "refer-alone": Lint(
            "warning",
            "refer where nothing can be moved",
            "Besides refer, moving or linking a file needs a make right on the new directory, if that is handled.",
        ),
        "own-process": Lint(
            "warning",
            "A rule on the files of one process",
            "Every process has another /proc/self. The rule belongs to that of the command when it starts, and not to "
            "those of the processes that the command starts.",
        ),
        "symlink": Lint(
            "note",
            "A rule through a symbolic link",
            "The rule belongs to the target that the link has when the policy is enforced.",
        ),
        "bind-mount": Lint(
            "note", "A rule on a bind mount", "The rule belongs to the directory itself, wherever else it is mounted."
        ),
        "overlay-layer": Lint(
            "warning",
            "A rule on a layer of an overlay filesystem",
            "To Landlock, layers and the merged tree are separate hierarchies: a rule on one does not cover the other.",
        ),
    }
)


class Finding(NamedTuple):
    """One finding: a key of LINTS, its severity, its place, a sentence, and edits that fix it without side effects."""

    id: str
    severity: Severity
    location: Location
    message: str
    fix: tuple[TidyingEdit, ...] = ()


def finding(
    id: str, location: Location, message: str, *, severity: Severity | None = None, fix: tuple[TidyingEdit, ...] = ()
) -> Finding:
    """Return a finding with the severity of its kind, unless another is given."""
    return Finding(id, severity or LINTS[id].severity, location, message, fix)
