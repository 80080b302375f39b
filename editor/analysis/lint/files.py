"""Findings about files that are composed into one policy, and the directories that they are read from."""

import os
from collections.abc import Iterator, Sequence

from editor.analysis.lint.catalogue import Finding, finding
from editor.escape import printable
from editor.policy.compose import FileText
from editor.policy.files import format_of
from editor.policy.model import Location
from editor.policy.parse import parse_collecting_errors


def lint_files(files: Sequence[FileText], paths: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings about ``files``, which were read from ``paths`` and are valid together."""
    if len(files) > 1:
        yield from _handled_by_some(files)
        yield from _mixed_formats(files, paths)


def _handled_by_some(files: Sequence[FileText]) -> Iterator[Finding]:
    """Find a kind of rights of which some files handle some and no right is common to all, if anything else is."""
    policies = [
        parse_collecting_errors(each.text, each.file, format_of(each.file, each.text), references=False)[0]
        for each in files
    ]
    kinds = (
        ("filesystem right", [policy.handled_fs for policy in policies]),
        ("network right", [policy.handled_net for policy in policies]),
        ("scope", [policy.scoped for policy in policies]),
    )
    if not any(frozenset.intersection(*handled) for _, handled in kinds):
        return  # nothing is restricted at all: another finding
    for name, handled in kinds:
        if any(handled) and not frozenset.intersection(*handled):
            has = next(at for at, rights in enumerate(handled) if rights)
            lacks = next(at for at, rights in enumerate(handled) if not rights & handled[has])
            both = f"{printable(files[has].file)} and {printable(files[lacks].file)}"
            message = f"No {name} is handled by all files (compare {both}): together they restrict none."
            yield finding("handled-by-some", Location(files[has].file, 1, 1), message)


def _mixed_formats(files: Sequence[FileText], paths: Sequence[str]) -> Iterator[Finding]:
    for path in paths:
        read = [each.file for each in files if os.path.isdir(path) and os.path.dirname(each.file) == path.rstrip("/")]
        json = [file for file in read if file.endswith(".json")]
        if json and len(json) < len(read):
            message = (
                f"{printable(path)} has files of both formats, which Paddock composes: llconfig reads one format of a "
                "directory and skips the other files."
            )
            yield finding("mixed-formats", Location(json[0], 1, 1), message)
