"""``paddock check --compat``: what each Landlock ABI, kernel and distribution release enforces of a policy."""

from typing import Any, NamedTuple

from editor.exchange.reference import unknown_to_reference
from editor.landlock.abi import ABI_VERSIONS, AbiVersion
from editor.landlock.rights import RIGHTS, RightSet, in_order, listed, rights_of, unnamed
from editor.policy.model import Policy


class Release(NamedTuple):
    """A distribution release, the kernel it shipped with and its Landlock ABI; ``note`` is a sentence."""

    name: str
    kernel: str
    abi: int
    note: str = ""


# Kernels as first released; updates, backports and hardware-enablement kernels may have a newer ABI.
RELEASES: tuple[Release, ...] = (
    # github.com/landlock-lsm/rust-landlock/pull/41 (5.15: ABI 1, 6.1: ABI 2), github.com/jdx/aube/pull/350
    Release("Ubuntu 22.04", "5.15", 1),
    Release("Debian 12", "6.1", 2),
    # canonical-kteam-docs.readthedocs-hosted.com/en/public/reference/hwe-kernels
    Release("Ubuntu 24.04", "6.8", 4),
    # github.com/multikernel/sandlock/issues/17: 5.14.0-570.79.1.el9_6 answers ABI 5
    Release("RHEL 9.6", "5.14", 5),
    # my_landlock.h of xz 5.8.2: since 5.14.0-603.el9 the kernel answers ABI 6, without LANDLOCK_SCOPE_SIGNAL
    Release("RHEL 9.7", "5.14", 6, "Some RHEL 9.7 kernels report ABI 6 but do not enforce the scope signal."),
    # Debian's package linux-image-amd64 in trixie
    Release("Debian 13", "6.12", 6),
    # gitlab.com/redhat/centos-stream/src/kernel/centos-stream-10 (tags), cki-project/kernel-ark merge request 3454
    Release("RHEL 10", "6.12", 6),
    # wits.at/ge/news/news338.php, after discourse.ubuntu.com: 25.10 comes with 6.17
    Release("Ubuntu 25.10", "6.17", 7),
)


class Level(NamedTuple):
    """What one Landlock ABI enforces of a policy.

    ``enforced`` and ``unrestricted`` together are what the policy handles; ``breaks`` are sentences about what fails.
    """

    version: AbiVersion
    releases: tuple[Release, ...]
    enforced: RightSet
    unrestricted: RightSet
    breaks: tuple[str, ...]


class Compatibility(NamedTuple):
    """The report on ``policy``: a level for each ABI, and a sentence for what other readers of the format reject."""

    policy: str
    levels: tuple[Level, ...]
    readers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the element of ``files`` in ``paddock check --compat --format json``."""
        return {
            "file": self.policy,
            "levels": [
                {
                    "abi": level.version.number,
                    "kernel": level.version.kernel,
                    "releases": [{"name": each.name, "kernel": each.kernel} for each in level.releases],
                    "enforced": in_order(level.enforced),
                    "unrestricted": in_order(level.unrestricted),
                    "breaks": list(level.breaks),
                }
                for level in self.levels
            ],
            "readers": list(self.readers),
        }


def compatibility(policy: Policy) -> Compatibility:
    """Return what every known Landlock ABI enforces of ``policy``."""
    return Compatibility(policy.file, tuple(_level(policy, version) for version in ABI_VERSIONS), _readers(policy))


def _level(policy: Policy, version: AbiVersion) -> Level:
    abi = version.number
    known = rights_of("fs", abi) | rights_of("net", abi) | rights_of("scope", abi)
    handled = policy.handled_fs | policy.handled_net | policy.scoped
    enforced = handled & known
    breaks = []
    # Any filesystem restriction denies refer. From ABI 2 on a rule can grant it, before that nothing can.
    denied: RightSet = frozenset({"refer"}) if policy.handled_fs & known else frozenset()
    lines = [rule.location.line for rule in policy.path_rules if "refer" in rule.rights]
    if abi < RIGHTS["refer"].abi and denied and lines:
        where = f"line {lines[0]}" + (f" and {len(lines) - 1} more" if len(lines) > 1 else "")
        breaks.append(f"Moving and linking files between directories is denied: refer ({where}) cannot be granted.")
    if not enforced:
        breaks.append("No part of the policy can be enforced, so paddock run refuses to start the command.")
    releases = tuple(each for each in RELEASES if each.abi == abi)
    breaks += [each.note for each in releases if each.note and "signal" in policy.scoped]
    return Level(version, releases, enforced | (denied & handled), handled - known - denied, tuple(breaks))


def _readers(policy: Policy) -> tuple[str, ...]:
    """Return sentences about readers of the file that lack a right of ``policy``."""
    sentences = [loss.message for loss in unknown_to_reference(policy)]
    if numbers := unnamed(policy.handled_fs | policy.handled_net | policy.scoped):
        asked = "the kernel is asked when the policy is enforced."
        sentences.insert(0, f"{listed(numbers)}: not in any ABI that Paddock knows; {asked}")
    return tuple(sentences)
