"""Turn the gestures in the tree and the panels into edits of the file that they belong to.

Late imports are modules that nothing needs before the first gesture.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from editor.escape import printable
from editor.landlock.rights import NO_RIGHTS, right_of
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View
from editor.screens.questions import Choice, Question

if TYPE_CHECKING:
    from editor.editing.shared_paths import EditScope
    from editor.workspace.state import Applied
    from editor.workspace.workspace import Workspace


class GesturesView(View, Protocol):
    """What gestures need from the screen."""

    async def reveal(self, path: str) -> None:
        """Move the cursor of the tree to ``path``."""

    def show_line(self, line: int) -> None:
        """Show one line of the text."""


class Gestures:
    """Changes rights, ports, handled rights and scopes as the person asks."""

    def __init__(self, files: OpenFiles, edits: Edits, view: GesturesView) -> None:
        self._files = files
        self._edits = edits
        self._view = view

    # The tree and the rights on one path

    async def step(self, path: str, direction: Literal[1, -1]) -> None:
        """Move the rule on ``path`` one level up or down."""
        from editor.screens.panel_rows import rules_here

        draft = self._files.current
        # A step up in the only file need not look for existing rules, which takes a while if there are thousands.
        here = rules_here(draft, path) if direction < 0 or draft.is_composed else ()
        if direction < 0 and not here:
            await self._offer_rule_above(path, None)
            return
        await self._edits.apply_job(
            lambda draft, scope: draft.step(path, direction, scope),
            [grant.ref.file for grant in here],
            hint=lambda: self._inherited_hint(path),
        )

    def _inherited_hint(self, path: str) -> str:
        """Return where ``path`` still inherits rights from if no rule names it any more."""
        from editor.screens.panel_rows import rules_here

        above = () if rules_here(self._files.current, path) else self._files.current.decider.inherited(path)
        paths = dict.fromkeys(printable(grant.path) for grant in above)
        return f"Still inherited from {', '.join(paths)}" if paths else ""

    async def toggle_right(self, path: str, name: str) -> None:
        """Grant one right on ``path``, or remove it if a rule on ``path`` itself grants it."""
        from editor.editing.edits import GrantPath, SetPathRights
        from editor.screens.panel_rows import right_states, rules_here

        draft = self._files.current
        state = next(state for state in right_states(draft, path) if state.name == name)
        here = rules_here(draft, path)
        right = frozenset({name})
        giving = [grant for grant in here if name in grant.rights]

        def remove(draft: "Workspace", scope: "EditScope | None") -> "Applied":
            own = dict.fromkeys(grant.path for grant in giving if grant.ref.file == draft.path)
            less = [SetPathRights(each, draft.own_rights(each) - right) for each in own]
            return draft.apply(*less, scope=scope)

        def grant(draft: "Workspace", scope: "EditScope | None") -> "Applied":
            rule = draft.own_rule_at(path)
            return draft.apply(GrantPath(rule.path if rule is not None else path, right), scope=scope)

        if state.state == "here":
            await self._edits.apply_job(remove, [each.ref.file for each in giving])
        elif state.state == "inherited":
            await self._offer_rule_above(path, name)
        elif not state.applicable:
            self._view.show_message(f"{name} cannot be granted on {printable(path)}: {state.why}.", "warning")
        else:
            await self._edits.apply_job(grant, [each.ref.file for each in here])

    async def except_path(self, path: str) -> None:
        """Grant all that the nearest rule above ``path`` covers but ``path``, by a rule on each other entry."""
        from editor.editing.edits import EditError, SetPathRights
        from editor.suggest.exceptions import CannotExcept, Enumeration, edits_except, enumerate_except

        draft = self._files.current
        above = next((each for each in draft.decider.inherited(path) if not each.here), None)
        if above is None:
            self._view.show_message(f"No rule above {printable(path)} grants anything on it.", "warning")
            return
        top = draft.resolved.absolute(above.path)
        found: list[Enumeration] = []

        def enumerate_entries(draft: "Workspace", _: object) -> "Applied":
            try:
                found[:] = [enumerate_except(top, (path,))]
            except (CannotExcept, OSError) as error:
                raise EditError(str(error)) from error
            before, rights = draft.document, draft.own_rights(above.path)
            after = before.apply(SetPathRights(above.path, NO_RIGHTS))
            for edit in edits_except(after, found[0], rights):
                after = after.apply(edit)
            return draft.adopt(before, after, f"all of {printable(above.path)} except {printable(path)}")

        await self._edits.apply_job(
            enumerate_entries, (above.ref.file,), hint=lambda: "\n".join(found[0].limits(above.rights))
        )

    async def _offer_rule_above(self, path: str, name: str | None) -> None:
        """Explain that inherited rights cannot be removed here, and offer to go to the rule."""
        draft = self._files.current
        above = (grant for grant in draft.decider.inherited(path) if not grant.here)
        grants = [grant for grant in above if name is None or name in grant.rights]
        if not grants:
            self._view.show_message(f"No rule grants anything on {printable(path)}.", "warning")
            return
        grant = grants[0]
        what = name or "This access"
        place = f"{printable(grant.ref.file)}:{grant.ref.line}" if draft.is_composed else f"line {grant.ref.line}"
        text = (
            f"{what} comes from the rule on {printable(grant.path)} ({place}), which covers everything below it.\n\n"
            f"It cannot be removed on {printable(path)} alone: rules only add rights."
        )
        choices = (Choice("go", "Go to the rule", "g", "primary"), Choice("stay", "Stay here", "s"))
        if await self._view.ask(Question("Inherited", text, choices)) == "go":
            await self.show_rule(grant.path, grant.ref.line, grant.ref.file)

    async def show_rule(self, path: str, line: int, file: str) -> None:
        """Show the rule on ``path`` in the text, and ``path`` in the tree."""
        await self._view.reveal(self._files.current.resolved.absolute(path))
        await self._edits.choose((file,))
        self._view.show_line(line)

    # Ports, handled rights, scopes

    async def add_port(self, text: str) -> None:
        """Grant the port and rights that were typed."""
        from editor.screens.port_text import PortTextError, parse_port

        try:
            edit = parse_port(text)
        except PortTextError as error:
            self._view.show_message(str(error), "error")
        else:
            await self._edits.apply(edit)

    async def remove_port(self, port: int) -> None:
        """Remove the rules of one file for ``port``."""
        from editor.editing.edits import SetPortRights

        await self._edits.apply(SetPortRights(port, NO_RIGHTS), files=self._files_of_port(port, None))

    async def toggle_port(self, port: int, name: str) -> None:
        """Grant one right on ``port``, or remove it."""
        from editor.editing.edits import SetPortRights

        def toggle(draft: "Workspace", _: object) -> "Applied":
            return draft.apply(SetPortRights(port, draft.own_port_rights(port) ^ frozenset({name})))

        await self._edits.apply_job(toggle, self._files_of_port(port, name))

    def _files_of_port(self, port: int, right: str | None) -> Iterable[str]:
        """Return the files that grant ``right`` on ``port``, or if none does, those with any rule for it."""
        refs = [ref for each in self._files.current.resolved.ports if each.port == port for ref in each.refs]
        return [each.ref.file for each in refs if right in each.rights] or [each.ref.file for each in refs]

    async def toggle_handled(self, name: str) -> None:
        """Handle a right or scope, or stop handling it."""
        from editor.editing.edits import SetHandled, SetScope

        # A right that only some files handle becomes handled once the others handle it, too.
        files = [(each.path, each.policy) for each in self._files.composition.workspaces]
        lacking = [path for path, own in files if name not in own.handled_fs | own.handled_net | own.scoped]

        def toggle(draft: "Workspace", _: object) -> "Applied":
            resolved = draft.resolved
            on_now = name in resolved.handled_fs | resolved.handled_net | resolved.scoped
            scope = right_of(name).kind == "scope"
            return draft.apply(SetScope(name, not on_now) if scope else SetHandled(name, not on_now))

        await self._edits.apply_job(toggle, lacking if len(lacking) < len(files) else ())
