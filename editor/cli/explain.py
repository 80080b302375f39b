"""``paddock explain``: say if a target is allowed and by which rule, or show everything that a policy grants."""

import argparse
import os
import sys

from editor.analysis.effective import EffectiveRights, effective_rights
from editor.analysis.execution import OpenedFile
from editor.analysis.explain import Explanation, Level, TargetError, explain, parse_target, place
from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import (
    FORMATS,
    UsageError,
    abi_number,
    add_file_options,
    add_layer_option,
    check_layers,
    load_layers,
    load_policy,
    new_parser,
    one_file_of,
    parse,
)
from editor.cli.text import edit_command
from editor.escape import printable
from editor.evaluation.resolve import GrantRef
from editor.landlock.abi import probe
from editor.landlock.rights import LATEST_ABI, listed
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import AbiUsed


def main(words: list[str]) -> int:
    """Explain one target, or with ``--all`` the whole policy; status 1 if the target is denied."""
    parser = new_parser(
        "explain",
        "[--right R]... [--libraries] [--abi N] [--format text|json] FILE TARGET | --all FILE",
        "Say if TARGET is allowed, and by which rule. TARGET is a path, a command in PATH, tcp:443, tcp:https, udp:53 "
        "or scope:signal. A program is allowed if its interpreter and ELF loader are, too. Status 0: allowed, "
        "1: denied, 2: error.",
    )
    add_file_options(parser)
    parser.add_argument(
        "--right", action="append", default=[], metavar="R", help="a right to ask for, by its kernel name"
    )
    parser.add_argument(
        "--libraries", action="store_true", help="also the shared libraries that the ELF loader would load"
    )
    add_layer_option(parser)
    parser.add_argument("--all", action="store_true", help="show everything that FILE grants, as a tree; status 0")
    parser.add_argument("--abi", type=abi_number, metavar="N", help="explain for this Landlock ABI")
    parser.add_argument("--format", choices=FORMATS, default="text")
    options = parse(parser, words)
    return _explain_all(options, parser) if options.all else _explain(options, parser)


def _explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    file, text = one_file_of(options, parser, following=1)
    check_layers(options, parser)
    prepare_streams()
    policies = load_layers(file, options)
    try:
        target = parse_target(text, tuple(options.right))
    except TargetError as error:
        raise UsageError(str(error)) from error
    if options.libraries and "execute" not in target.rights:
        raise UsageError(f"--libraries needs a program, or --right execute: {printable(text)} is none.")
    in_layers = len(policies) > 1 and any(policy.handled_fs for policy in policies)
    abi = _abi_to_explain(policies[0], options.abi)
    found = [explain(policy, target, abi, with_libraries=options.libraries, in_layers=in_layers) for policy in policies]
    denying = [explanation for explanation in found if not explanation.allowed]
    if options.format == "json":
        layers = [explanation.to_json() for explanation in found] if len(found) > 1 else []
        print_json({**(denying or found)[-1].to_json(), **({"layers": layers} if layers else {})})
    else:
        console = Console(sys.stdout)
        for number, (explanation, policy) in enumerate(zip(found, policies, strict=True), 1):
            if len(found) > 1:
                heading = console.paint(f"Layer {number}, {printable(policy.file)}:", "bold")
                console.write([heading] if number == 1 else ["", heading])
            console.write(explanation_lines(explanation, policy, console))
    return 1 if denying else 0


def _explain_all(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if options.right:
        parser.error("--right needs a TARGET, and --all takes none")
    if options.libraries or options.layer:
        parser.error(f"{'--libraries' if options.libraries else '--layer'} needs a TARGET, and --all takes none")
    (file,) = one_file_of(options, parser)
    prepare_streams()
    policy = load_policy(file, options)
    found = effective_rights(policy, _abi_to_explain(policy, options.abi))
    if options.format == "json":
        print_json(found.to_json())
    else:
        console = Console(sys.stdout)
        console.write(effective_lines(found, console))
    return 0


def _abi_to_explain(policy: Policy, asked: int | None) -> AbiUsed:
    """Return the ABI to explain for: ``asked``, else the kernel's, else the policy's own."""
    state = probe()
    return AbiUsed(state.abi, min(asked or state.abi or policy.abi or LATEST_ABI, LATEST_ABI))


def explanation_lines(explanation: Explanation, policy: Policy, console: Console) -> list[str]:
    """Return the answer, the rules on the way up to the root, and what would change the answer, as lines."""
    verdict = "allowed" if explanation.allowed else "denied"
    subject = printable(explanation.target.text)
    if all(answer.answer == "uncontrolled" for answer in explanation.answers):
        verdict, word = "uncontrolled", "not restricted"
    else:
        word = verdict
    abi = f"Landlock ABI {explanation.abi.enforced}"
    if explanation.abi.kernel < explanation.abi.enforced:
        has = f"ABI {explanation.abi.kernel}" if explanation.abi.kernel else "no Landlock"
        abi += f", but this kernel has {has}"
    lines = [f"{subject}: {console.paint(word, verdict)}  ({abi})", ""]
    rows = []
    for answer in explanation.answers:
        why = [place(ref) for ref in answer.decided_by] if answer.answer == "allowed" else []
        if answer.reason:
            why.append(answer.reason)
        rows.append([answer.right, answer.answer, "; ".join(why)])
    lines += columns(rows)
    lines += [
        f"  It cannot be started: the policy denies {listed(file.missing)} on its {_role(file)}."
        for file in explanation.denied_files
        if file.role != "program"
    ]
    lines += [f"  {note}" for note in explanation.notes]
    if explanation.opens:
        lines += ["", "What executing it opens, in this order:"]
        lines += columns([_opened_row(file) for file in explanation.opens])
    if explanation.links:
        lines += ["", "Symbolic links followed:"]
        lines += columns([[printable(link.path), f"-> {printable(link.target)}"] for link in explanation.links])
    if explanation.levels:
        lines += ["", "From the object to the root:"]
        rows = []
        for level in explanation.levels:
            path = printable(level.path) + _mounted(level)
            rows += [[path, listed(each.rights), place(each.ref)] for each in level.grants]
            if not level.grants:
                rows.append([path, "-", ""])
        lines += columns(rows)
    if explanation.changes:
        lines += ["", f"To change this ({edit_command(policy)}):"]
        lines += [f"  {sentence}" for sentence in explanation.changes]
    return lines


def _role(file: OpenedFile) -> str:
    """Return the role and the name of a file, and what needs it."""
    return f"{file.role} {printable(file.path)} (needed by {printable(file.needed_by)})"


def _opened_row(file: OpenedFile) -> list[str]:
    why = [place(ref) for ref in file.decided_by] if file.verdict == "allowed" else []
    if file.verdict == "denied":
        why.append(listed(file.missing))
    if file.reason:
        why.append(file.reason)
    path = printable(file.path)
    if file.object_path is not None and file.object_path != os.path.abspath(file.path):
        path += f" -> {printable(file.object_path)}"
    return [file.role, path, file.verdict, "; ".join(why)]


def _mounted(level: Level) -> str:
    """Return what is mounted at ``level``: a rule belongs to the directory that is visible there."""
    mount = level.mount
    if mount is None or level.path == "/":
        return ""
    return f"  [bind mount of {printable(mount.root)}]" if mount.is_bind else f"  [{printable(mount.kind)} mount]"


def effective_lines(found: EffectiveRights, console: Console) -> list[str]:
    """Return the tree of paths, the ports and the scopes as lines."""
    lines = [console.paint(f"{printable(found.policy)}  (Landlock ABI {found.abi.enforced})", "bold")]
    facts = (
        ("not restricted", found.unrestricted),
        ("always denied", found.always_denied),
        (f"unknown to ABI {found.abi.enforced}", found.unknown),
    )
    lines += columns([[name, listed(rights)] for name, rights in facts if rights])
    lines += ["", console.paint("Files: rights granted there, + rights inherited from above", "bold")]
    rows = []
    stack: list[str] = []
    for branch in found.branches:
        del stack[branch.depth :]
        label = branch.path
        if stack and stack[-1] != "/":
            label = branch.path[len(stack[-1]) :]
        stack.append(branch.path)
        label = "  " * branch.depth + printable(label)
        granted = frozenset[str]().union(*(each.rights for each in branch.granted))
        if not branch.exists:
            would = f"does not exist; would grant {listed(granted) or 'nothing'}"
            rows.append([label, would, "", _places(branch.granted)])
            continue
        inherited = listed(branch.rights - granted)
        where = _places(branch.granted)
        if others := [printable(each) for each in branch.spellings if os.path.abspath(each) != branch.path]:
            where += f" (as {', '.join(others)})"
        rows.append([label, listed(granted) or "-", f"+ {inherited}" if inherited else "", where])
    lines += columns(rows)
    if found.ports:
        lines += ["", console.paint("Ports", "bold")]
        lines += columns([[str(port.port), listed(port.rights) or "-", _places(port.refs)] for port in found.ports])
    if found.scoped:
        lines += ["", console.paint("Scoped to the sandbox", "bold"), f"  {listed(found.scoped)}"]
    return lines


def _places(refs: tuple[GrantRef, ...]) -> str:
    return ", ".join(dict.fromkeys(f"{printable(each.ref.file)}:{each.ref.line}" for each in refs))
