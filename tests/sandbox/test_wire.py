"""A request on its way to the tracer, and what the tracer imports."""

import os
import subprocess
import sys
from pathlib import Path

from editor.sandbox.wire import Spec
from tests.sandbox.harness import everything, policy


def test_spec_survives_json(tmp_path: Path) -> None:
    name = os.path.join(tmp_path, os.fsdecode(b"\xff\n"))
    os.mkdir(name)
    for resolved in (
        everything(),
        policy(
            {str(tmp_path): ["read_file"], "/none": ["execute"]},
            net=["bind_tcp"],
            ports={80: ["bind_tcp"]},
            scoped=["signal"],
        ),
    ):
        spec = Spec(
            resolved=resolved, command=("echo", "\udcff", ""), mode="observe", abi=3, cwd=name, env={"A": "\udcfe"},
            stdin=1, stdout=2, stderr=3, session=True, terminal=False, timeout=1.5, die_with_parent=True, confirm=None,
        )  # fmt: skip
        assert Spec.from_text(spec.to_text()) == spec
        assert hash(Spec.from_text(spec.to_text()).resolved) == hash(resolved)


def test_tracer_imports_no_heavy_modules() -> None:
    """Each run pays for the tracer's imports."""
    code = "import sys; import editor.sandbox.tracing.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"dataclasses", "inspect", "asyncio", "textual", "tomlkit", "tomllib", "watchdog", "subprocess", "socket"}
    assert not heavy & set(loaded)
