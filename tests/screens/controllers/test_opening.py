"""A policy that does not parse is opened once it does."""

import asyncio
from pathlib import Path

from editor.screens.controllers.opening import open_policy
from editor.workspace.opening import Opening
from tests.screens.controllers.conftest import PlainView
from tests.screens.driving import POLICY


async def test_a_broken_file_is_shown_until_it_is_fixed(policy: Path, view: PlainView) -> None:
    broken = POLICY.replace("abi = 6", "abi = ")
    policy.write_text(broken)

    def fix() -> None:
        policy.write_text(POLICY)

    view.on_broken = fix
    composition = await asyncio.wait_for(open_policy(Opening((str(policy),)), None, view), 20)
    assert composition.workspaces[0].document.text == POLICY
    assert view.broken[0][:3] == (str(policy), broken, "toml")
    assert view.broken[0].error.line == 5


async def test_a_missing_file_opens_at_once(place: Path, view: PlainView) -> None:
    composition = await open_policy(Opening((str(place / "new.toml"),)), None, view)
    assert composition.workspaces[0].is_new and not view.broken
