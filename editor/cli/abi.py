"""``paddock abi``: show what this kernel enforces."""

import sys
from typing import Any

from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import FORMATS, new_parser, parse
from editor.landlock.abi import ABI_VERSIONS, KernelState, probe
from editor.landlock.kernel import RESTRICT_FLAGS
from editor.landlock.rights import LATEST_ABI, RIGHTS


def main(words: list[str]) -> int:
    """Print the kernel's Landlock support; status 1 if it is off."""
    parser = new_parser(
        "abi", "[--format text|json]", "Show what this kernel enforces. Status 0: Landlock is on, 1: it is off."
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    options = parse(parser, words)
    prepare_streams()
    state = probe()
    if options.format == "json":
        print_json(kernel_json(state))
    else:
        console = Console(sys.stdout)
        console.write(kernel_lines(state, console))
    return 0 if state.abi else 1


def kernel_json(state: KernelState) -> dict[str, Any]:
    """Return the object that ``paddock abi --format json`` prints."""
    since = {version.number: version.kernel for version in ABI_VERSIONS}
    return {
        "kernel": state.release,
        "abi": state.abi,
        "problem": state.problem,
        "errata": [bit + 1 for bit in range(state.errata.bit_length()) if state.errata >> bit & 1],
        "lsms": list(state.lsms) if state.lsms is not None else None,
        "rights": [
            {
                "name": right.name,
                "kind": right.kind,
                "abi": right.abi,
                "since": since[right.abi],
                "enforced": right.abi <= state.abi,
                "meaning": right.meaning,
            }
            for right in RIGHTS.values()
        ],
        "restrict_flags": [
            {"name": flag.name, "abi": flag.abi, "known": flag.abi <= state.abi, "meaning": flag.meaning}
            for flag in RESTRICT_FLAGS
        ],
        "unknown_categories": [{"offset": each.offset, "handled": each.handled} for each in state.unknown],
    }


def kernel_lines(state: KernelState, console: Console) -> list[str]:
    """Return the kernel's Landlock support as lines."""
    facts = [["kernel", f"Linux {state.release}"]]
    if state.abi:
        version = ABI_VERSIONS[state.effective_abi - 1]
        newer = f" (Paddock knows ABI {LATEST_ABI} at most)" if state.abi > LATEST_ABI else ""
        facts.append(["Landlock", f"ABI {state.abi}{newer}, first in Linux {version.kernel}"])
        fixed = [str(bit + 1) for bit in range(state.errata.bit_length()) if state.errata >> bit & 1]
        facts.append(["errata fixed", ", ".join(fixed) if fixed else "none reported"])
    else:
        facts.append(["Landlock", console.paint(f"off: {state.problem}", "denied")])
    lsms = ", ".join(state.lsms) if state.lsms is not None else "unknown: /sys/kernel/security cannot be read"
    facts.append(["active LSMs", lsms])
    lines = columns(facts, indent="")
    for title, kind in (("Filesystem rights", "fs"), ("Network rights", "net"), ("Scopes", "scope")):
        lines += ["", console.paint(title, "bold")]
        lines += columns(
            [
                [_mark(right.abi, state, console), right.name, f"ABI {right.abi}", right.meaning]
                for right in RIGHTS.values()
                if right.kind == kind
            ]
        )
    lines += ["", console.paint("restrict_self flags", "bold")]
    lines += columns(
        [[_mark(flag.abi, state, console), flag.name, f"ABI {flag.abi}", flag.meaning] for flag in RESTRICT_FLAGS]
    )
    if state.unknown:
        lines += ["", console.paint("Handled by this kernel, unknown to Paddock", "bold")]
        lines += columns([[f"byte {each.offset} of the ruleset", f"bits {each.handled:#x}"] for each in state.unknown])
    return lines


def _mark(abi: int, state: KernelState, console: Console) -> str:
    return "yes" if abi <= state.abi else console.paint("no ", "denied")
