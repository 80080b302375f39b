"""Each promise lets a real program do its work, which it cannot without; the kernel enforces the rest."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from editor.landlock.rights import rights_of
from editor.suggest.promises.promise import READ, RUN
from tests.cli.harness import PADDOCK, environment, write
from tests.suggest.promises.enforced import PROGRAMS, policy_file, run

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


@pytest.mark.program("python3")
def test_python_runs_with_its_packages(tmp_path: Path) -> None:
    code = "import os, site; print([os.listdir(each) for each in site.getsitepackages() if os.path.isdir(each)])"
    listing = ("python3", "-c", code)
    done = run(tmp_path, ["exec", "python"], *listing, starts=False)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, ["exec"], *listing, starts=False).returncode == 126


@pytest.mark.program("python3")
def test_python_runs_in_a_virtual_environment(tmp_path: Path) -> None:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (package,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
    write(package / "greeting.py", "print('hello')\n")
    path = f"{tmp_path}/venv/bin:{PROGRAMS}"
    done = run(tmp_path, ["exec", "python"], "python3", "-c", "import greeting", starts=False, PATH=path)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


@pytest.mark.program("getent")
def test_getpw_finds_a_user(tmp_path: Path) -> None:
    done = run(tmp_path, ["exec", "getpw"], "getent", "passwd", "root")
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "root")
    assert run(tmp_path, ["exec"], "getent", "passwd", "root").returncode == 2


@pytest.mark.program("locale")
def test_locale_gives_the_character_set(tmp_path: Path) -> None:
    done = run(tmp_path, ["exec", "locale"], "locale", "charmap", LC_ALL="C.UTF-8")
    assert (done.stdout, done.stderr) == ("UTF-8\n", "")
    assert run(tmp_path, ["exec"], "locale", "charmap", LC_ALL="C.UTF-8").stdout != "UTF-8\n"


@pytest.mark.program("date")
def test_time_knows_zones(tmp_path: Path) -> None:
    assert run(tmp_path, ["exec", "time"], "date", "+%Z", TZ="Asia/Tokyo").stdout == "JST\n"
    assert run(tmp_path, ["exec"], "date", "+%Z", TZ="Asia/Tokyo").stdout != "JST\n"


@pytest.mark.program("head")
def test_random_gives_numbers(tmp_path: Path) -> None:
    assert run(tmp_path, ["exec", "random"], "head", "-c8", "/dev/urandom").returncode == 0
    assert run(tmp_path, ["exec"], "head", "-c8", "/dev/urandom").returncode == 1


@pytest.mark.program("sh")
def test_null_takes_what_is_written(tmp_path: Path) -> None:
    assert run(tmp_path, ["exec", "null"], "sh", "-c", "echo unheard > /dev/null").returncode == 0
    assert run(tmp_path, ["exec"], "sh", "-c", "echo unheard > /dev/null").returncode == 2


@pytest.mark.program("cat")
def test_proc_self_shows_the_commands_own_process(tmp_path: Path) -> None:
    assert "Name:\tcat\n" in run(tmp_path, ["exec", "proc-self"], "cat", "/proc/self/status").stdout
    assert run(tmp_path, ["exec"], "cat", "/proc/self/status").returncode == 1
    assert run(tmp_path, ["exec", "proc-self"], "cat", f"/proc/{os.getpid()}/status").returncode == 1


@pytest.mark.program("mktemp", "rm")
def test_tmp_keeps_temporary_files(tmp_path: Path) -> None:
    work = ("sh", "-c", "d=$(mktemp -d) && echo kept > $d/f && read w < $d/f && rm -r $d && echo $w")
    tools = [(("/usr/bin/mktemp", "/usr/bin/rm"), RUN)]
    assert run(tmp_path, ["exec", "tmp"], *work, rules=tools).stdout == "kept\n"
    assert run(tmp_path, ["exec"], *work, rules=tools).returncode != 0


@pytest.mark.program("python3")
def test_shm_shares_memory_and_semaphores(tmp_path: Path) -> None:
    shared = """
import _multiprocessing, _posixshmem, os, sys
name = f"/paddock-{os.getpid()}"
try:
    descriptor = _posixshmem.shm_open(name, os.O_CREAT | os.O_RDWR, 0o600)
except PermissionError:
    sys.exit(3)
os.ftruncate(descriptor, 8)
_posixshmem.shm_unlink(name)
_multiprocessing.SemLock(1, 1, 1, name, True)
"""
    done = run(tmp_path, ["exec", "shm"], "python3", "-c", shared)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, ["exec"], "python3", "-c", shared).returncode == 3


@pytest.mark.program("tput")
def test_tty_knows_terminals(tmp_path: Path) -> None:
    assert run(tmp_path, ["exec", "tty"], "tput", "-T", "xterm", "colors").stdout == "8\n"
    assert run(tmp_path, ["exec"], "tput", "-T", "xterm", "colors").returncode != 0


@pytest.mark.program("setsid", "sh")
@pytest.mark.parametrize(("names", "status"), [(["exec", "tty"], 0), (["exec"], 2)])
def test_tty_opens_the_programs_own_terminal(tmp_path: Path, names: list[str], status: int) -> None:
    file = policy_file(tmp_path, names, "sh")
    outer, inner = pty.openpty()
    try:
        done = subprocess.run(
            ["setsid", "--ctty", "--wait", *PADDOCK, "run", file, "--", "sh", "-c", "echo seen > /dev/tty"],
            stdin=inner,
            capture_output=True,
            env=environment(PATH=PROGRAMS),
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert status or os.read(outer, 64) == b"seen\r\n"
    finally:
        os.close(outer)
        os.close(inner)


@pytest.mark.program("node", "npm")
def test_node_runs_npm(tmp_path: Path) -> None:
    home = os.fspath(tmp_path)  # where npm keeps its logs
    write(tmp_path / "package.json", '{"name": "package"}\n')  # without, npm searches every directory up to /
    rules = [((home,), rights_of("fs") - {"execute"})]
    done = run(tmp_path, ["exec", "null", "tls", "node"], "npm", "--version", starts=False, rules=rules, HOME=home)
    assert done.returncode == 0, done.stderr
    assert (
        run(tmp_path, ["exec", "null", "tls"], "npm", "--version", starts=False, rules=rules, HOME=home).returncode
        == 126
    )


@pytest.mark.program("java", "javac")
def test_java_compiles_and_runs(tmp_path: Path) -> None:
    source = 'class Hello { public static void main(String[] a) { System.out.println("hello"); } }'
    rules = [((write(tmp_path / "Hello.java", source),), READ)]
    done = run(tmp_path, ["exec", "java"], "java", "Hello.java", starts=False, rules=rules)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert run(tmp_path, ["exec"], "java", "Hello.java", starts=False, rules=rules).returncode == 126


@pytest.mark.program("cargo", "rustc")
def test_cargo_checks_a_crate(tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    (crate / "src").mkdir(parents=True)
    write(crate / "Cargo.toml", '[package]\nname = "crate"\nversion = "0.1.0"\nedition = "2021"\n')
    write(crate / "src/lib.rs", "pub fn two() -> u32 { 2 }\n")
    rules = [((os.fspath(tmp_path),), rights_of("fs") - {"execute"})]
    build = ("cargo", "check", "--offline", "--manifest-path", "crate/Cargo.toml")
    home = os.fspath(tmp_path)
    done = run(tmp_path, ["exec", "cargo"], *build, starts=False, rules=rules, HOME=home, CARGO_HOME=home)
    assert done.returncode == 0, done.stderr
    assert run(tmp_path, ["exec"], *build, starts=False, rules=rules, HOME=home).returncode == 126


@pytest.mark.program("git")
def test_git_makes_a_repository_from_its_templates(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    rules = [((os.fspath(tmp_path / "repository"),), rights_of("fs"))]
    init = ("git", "init", "-q", "repository")
    done = run(tmp_path, ["exec", "git"], *init, starts=False, rules=rules)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "repository/.git/info/exclude").exists()
    assert run(tmp_path, ["exec"], *init, starts=False, rules=rules).returncode == 126
