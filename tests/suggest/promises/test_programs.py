"""Each promise lets a real program do its work, which it cannot without; the kernel enforces the rest."""

from pathlib import Path

import pytest

from tests.suggest.promises.enforced import run

CONTEXT = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


@pytest.mark.program("true")
def test_exec_starts_a_program(tmp_path: Path) -> None:
    assert run(tmp_path, ["exec"], "true").returncode == 0
    assert run(tmp_path, ["dns"], "true").returncode == 126


@pytest.mark.program("getent")
def test_dns_finds_a_host(tmp_path: Path) -> None:
    done = run(tmp_path, ["exec", "dns"], "getent", "hosts", "localhost")
    assert (done.returncode, done.stdout.split()[1]) == (0, "localhost")
    assert run(tmp_path, ["exec"], "getent", "hosts", "localhost").returncode == 2


@pytest.mark.program("python3")
def test_dns_exec_and_tls_are_enough_for_names_and_certificates(tmp_path: Path) -> None:
    """The must of the three together: no other rule is there."""
    three = ["dns", "exec", "tls"]
    assert run(tmp_path, three, "getent", "hosts", "localhost").returncode == 0
    done = run(tmp_path, three, "python3", "-c", CONTEXT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    without = run(tmp_path, ["dns", "exec"], "python3", "-c", CONTEXT)
    assert without.returncode != 0 or int(without.stdout) == 0
