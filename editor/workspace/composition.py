"""Several policy files open at once: each is a draft of its own, and all of them make the one policy that is shown."""

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
    """The files opened together, at least one. A change of one, in the editor or on disk, updates all the others.

    Create it with ``Composition.open``.
    """

    def __init__(self, workspaces: Sequence[Workspace], paths: Sequence[str], variables: Variables) -> None:
        self.workspaces = tuple(workspaces)
        """One workspace per file, in the order given."""
        self._paths = tuple(paths)
        self._given = given_variables(variables)
        self._lock = threading.Lock()
        self._policies = [each.policy for each in self.workspaces]
        if len(self.workspaces) > 1:
            for number, each in enumerate(self.workspaces):
                each.compose_with(partial(self._context_of, number))
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
        """Open the files, and the policy files in the directories, of ``paths``. Files created later are not included.

        ``variables`` override those that the files define. ``new_text`` is what the first file starts with if it is
        new. Raises PolicyError, as ``Workspace.open`` and ``compose.load``.
        """
        variables = variables or {}
        files = list({os.path.realpath(file): file for path in paths for file in files_of(path)}.values())
        read = {file: _read(file) for file in files} if len(files) > 1 else {}
        given = given_variables(variables)
        workspaces = []
        for number, file in enumerate(files):
            others = tuple(policy for other, policy in read.items() if other != file and policy is not None)
            context = CompositionContext((), others, given, tuple(paths))
            text = new_text if number == 0 else None
            workspaces.append(Workspace.open(file, abi=abi, new_text=text, context=context))
        return cls(workspaces, paths, variables)

    def workspace_of(self, file: str) -> Workspace | None:
        """Return the workspace of ``file``, spelled as in a rule's location; None if it is not open."""
        return next((each for each in self.workspaces if each.path == file), None)

    @property
    def unsaved(self) -> tuple[Workspace, ...]:
        """The workspaces of which quitting would lose something."""
        return tuple(each for each in self.workspaces if each.is_dirty)

    def refresh(self) -> None:
        """Resolve every path again, see ``Workspace.refresh``."""
        for each in self.workspaces:
            each.refresh()

    def refresh_if_stale(self) -> None:
        """Resolve every path again if any leads to another object, see ``Workspace.refresh_if_stale``."""
        for each in self.workspaces:
            each.refresh_if_stale()

    def close(self) -> None:
        """Close every workspace."""
        for each in self.workspaces:
            each.close()

    def _context_of(self, number: int) -> CompositionContext:
        policies = tuple(self._policies)
        return CompositionContext(policies[:number], policies[number + 1 :], self._given, self._paths)

    def _follow(self, number: int, change: Changes) -> None:
        """Compose the other drafts with the new policy of this one. Called in the thread that changed it."""
        if "document" not in change:
            return
        with self._lock:
            policy = self.workspaces[number].policy
            if policy is self._policies[number]:
                return
            self._policies[number] = policy
        for other, each in enumerate(self.workspaces):
            if other != number:
                each.compose_with(partial(self._context_of, other))


def _read(file: str) -> Policy | None:
    """Return the policy in ``file`` with its variables unchecked; None if there is no file. Raises PolicyError."""
    if not os.path.lexists(file):
        return None
    text = read_text(file)
    policy, problems = parse_collecting_errors(text, file, format_of(file, text), references=False)
    if problems:
        raise problems[0]
    return policy
