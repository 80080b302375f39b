"""Several policy files open at once: each is a draft of its own, and what is shown is the one policy that they make."""

import os
import threading
from collections.abc import Sequence
from functools import partial

from editor.policy.compose import CompositionContext, Variables, files_of, given_variables
from editor.policy.files import format_of, read_text
from editor.policy.model import Policy
from editor.policy.parse import parse_collecting_errors
from editor.workspace.notifying import Changes
from editor.workspace.workspace import Workspace


class Composition:
    """The files that were opened together, one at least. A change of one, by hand or on disk, reaches all the others.

    Use ``Composition.open``.
    """

    def __init__(self, workspaces: Sequence[Workspace], paths: Sequence[str], variables: Variables) -> None:
        self.workspaces = tuple(workspaces)
        """The drafts, in the order in which the files were named."""
        self._paths = tuple(paths)
        self._given = given_variables(variables)
        self._lock = threading.Lock()
        self._policies = [each.policy for each in self.workspaces]
        if len(self.workspaces) > 1:
            for number, each in enumerate(self.workspaces):
                each.compose_with(partial(self._beside, number))
                each.subscribe(partial(self._follow, number))

    @classmethod
    def open(
        cls,
        paths: Sequence[str],
        *,
        abi: int | None = None,
        variables: Variables | None = None,
        new_text: str | None = None,
    ) -> "Composition":
        """Open the files and directories ``paths``; files that come into a directory later are not seen.

        ``variables`` stand in place of those that the files define, ``new_text`` is for the first one where that is
        new. Raises PolicyError, as ``Workspace.open`` and ``compose.load``.
        """
        variables = variables or {}
        files = list({os.path.realpath(file): file for path in paths for file in files_of(path)}.values())
        read = {file: _read(file) for file in files} if len(files) > 1 else {}
        given = given_variables(variables)
        workspaces = []
        for number, file in enumerate(files):
            others = tuple(policy for other, policy in read.items() if other != file and policy is not None)
            beside = CompositionContext((), others, given, tuple(paths))
            text = new_text if number == 0 else None
            workspaces.append(Workspace.open(file, abi=abi, new_text=text, beside=beside))
        return cls(workspaces, paths, variables)

    def of(self, file: str) -> Workspace | None:
        """The draft of ``file``, as rules name it."""
        return next((each for each in self.workspaces if each.path == file), None)

    @property
    def unsaved(self) -> tuple[Workspace, ...]:
        """Those of which something would be lost by leaving."""
        return tuple(each for each in self.workspaces if each.dirty)

    def refresh(self) -> None:
        """Look at the filesystem again."""
        for each in self.workspaces:
            each.refresh()

    def look_again(self) -> None:
        """As ``refresh``, where something may be another than it was, see ``Workspace.look_again``."""
        for each in self.workspaces:
            each.look_again()

    def close(self) -> None:
        """End the watches, as ``Workspace.close``."""
        for each in self.workspaces:
            each.close()

    def _beside(self, number: int) -> CompositionContext:
        policies = tuple(self._policies)
        return CompositionContext(policies[:number], policies[number + 1 :], self._given, self._paths)

    def _follow(self, number: int, change: Changes) -> None:
        """In whatever thread changed a draft: the others are a part of another whole now."""
        if "document" not in change:
            return
        with self._lock:
            policy = self.workspaces[number].policy
            if policy is self._policies[number]:
                return
            self._policies[number] = policy
        for other, each in enumerate(self.workspaces):
            if other != number:
                each.compose_with(partial(self._beside, other))


def _read(file: str) -> Policy | None:
    """What a file says, whatever variables it uses; None where there is none. Raises PolicyError."""
    if not os.path.lexists(file):
        return None
    text = read_text(file)
    policy, problems = parse_collecting_errors(text, file, format_of(file, text), references=False)
    if problems:
        raise problems[0]
    return policy
