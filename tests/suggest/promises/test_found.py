"""What is found on made-up systems: all that is there, nothing that is not, and no secrets."""

import os
from pathlib import Path

import pytest

from editor.suggest.promises.catalogue import CATALOGUE, UnknownPromise, all_found, found
from editor.suggest.promises.promise import Place
from editor.suggest.promises.system import System
from editor.suggest.protected import protected

KEY = "-----BEGIN RSA PRIVATE KEY-----\nsecret\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def make(root: Path, *paths: str, text: str = "", mode: int = 0o644, links: dict[str, str] | None = None) -> None:
    for path in paths:
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
        (root / path.lstrip("/")).chmod(mode)
    for path, target in (links or {}).items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).symlink_to(target)


def places(root: Path, name: str, programs: tuple[str, ...] = (), **environment: str) -> dict[str, Place]:
    system = System(os.fspath(root), environment)
    return {place.path: place for place in found(name, system, programs=programs).places}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_empty_system_holds_nothing(name: str, root: Path) -> None:
    promise = found(name, System(os.fspath(root)))
    assert not promise.is_found
    assert promise.title and promise.why.endswith(".")


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UnknownPromise):
        found("dsn")


def test_every_path_of_this_system_exists_and_is_not_protected() -> None:
    for promise in all_found():
        for place in promise.places:
            assert os.path.exists(place.path), place
            assert place.target == "/proc/self" or place.target == os.path.realpath(place.path)
            assert place.reason
            writing = "write_file" in place.rights
            assert not protected(place.target) or (not writing and not os.path.isdir(place.target)), place
            if not os.path.isdir(place.path):
                assert not place.rights & {"read_dir", "make_reg"}, place


def test_a_protected_place_that_the_environment_names_is_left_out() -> None:
    home = os.environ.get("HOME", "")
    if not os.path.isdir(home) or home == "/":
        pytest.skip("needs a home directory")
    assert home not in {place.path for place in found("tmp", System(environment={"TMPDIR": home})).places}


def test_exec_finds_loaders_of_every_architecture_and_the_directories_with_libraries(root: Path) -> None:
    make(root, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", text="\x7fELF")
    make(root, "/lib/ld-linux-broken.so.2", text="text")
    make(root, links={"/lib64/ld-linux-x86-64.so.2": "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"})
    make(root, "/etc/ld.so.conf", text="include ld.so.conf.d/*.conf\n/opt/none # nothing there\n")
    make(root, "/etc/ld.so.conf.d/a.conf", text="/usr/lib/x86_64-linux-gnu\n/opt/empty\n")
    make(root, "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/local/lib/libown.so", "/opt/empty/README")
    found_here = places(root, "exec")
    assert {path: sorted(place.rights) for path, place in found_here.items()} == {
        "/lib/ld-musl-x86_64.so.1": ["execute", "read_file"],
        "/lib64/ld-linux-x86-64.so.2": ["execute", "read_file"],
        "/usr/lib/x86_64-linux-gnu": ["read_file"],
        "/usr/local/lib": ["read_file"],
    }


def test_exec_follows_scripts_to_their_interpreters(root: Path) -> None:
    make(root, "/usr/bin/tool", text="#!/usr/bin/env -S VAR=1 python3\n", mode=0o755)
    make(root, "/usr/bin/env", "/usr/bin/python3.12", text="\x7fELF", mode=0o755)
    make(root, "/usr/lib/python3.12/os.py", links={"/usr/bin/python3": "python3.12"})
    assert list(places(root, "exec", ("tool",))) == [
        "/usr/bin/tool",
        "/usr/bin/env",
        "/usr/bin/python3",
        "/usr/lib/python3.12",
    ]
    assert not places(root, "exec", ("absent", "bin/tool"))


def test_dns_follows_links_and_names_only_modules_in_use(root: Path) -> None:
    make(root, "/run/systemd/resolve/stub-resolv.conf", text="nameserver 127.0.0.53\n")
    make(root, links={"/etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"})
    make(root, "/etc/nsswitch.conf", text="passwd: db\nhosts: files [NOTFOUND=return] mymachines dns # sss\n")
    make(root, "/lib64/ld-linux-x86-64.so.2", text="\x7fELF")
    for name in ("files", "db", "mymachines", "sss"):
        make(root, f"/usr/lib64/libnss_{name}.so.2")
    held = places(root, "dns")
    assert held["/etc/resolv.conf"].target == "/run/systemd/resolve/stub-resolv.conf"
    assert "leads to /run/systemd/resolve/stub-resolv.conf" in held["/etc/resolv.conf"].reason
    modules = [path for path in held if "libnss" in path]
    assert modules == ["/usr/lib64/libnss_files.so.2", "/usr/lib64/libnss_mymachines.so.2"]
    assert {port.port for port in found("dns", System(os.fspath(root))).ports} == {0, 53}


def test_getpw_never_holds_passwords(root: Path) -> None:
    make(root, "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/nsswitch.conf")
    assert list(places(root, "getpw")) == ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"]


def test_tls_takes_the_directory_that_openssl_was_built_for(root: Path) -> None:
    make(root, "/lib64/ld-linux-x86-64.so.2", text="\x7fELF")
    make(root, "/usr/lib64/libcrypto.so.3", text='OPENSSLDIR: "/opt/ssl"\0')
    make(root, "/opt/ssl/openssl.cnf", "/opt/ssl/private/key.pem", "/etc/ssl/private/key.pem")
    make(
        root,
        "/usr/share/ca-certificates/one.crt",
        links={"/opt/ssl/certs/0123.0": "../../../usr/share/ca-certificates/one.crt"},
    )
    assert list(places(root, "tls")) == ["/opt/ssl/openssl.cnf", "/opt/ssl/certs", "/usr/share/ca-certificates"]


@pytest.mark.parametrize(("text", "mode"), [(KEY, 0o644), ("", 0o600)])
def test_tls_takes_no_directory_with_a_private_key(root: Path, text: str, mode: int) -> None:
    make(root, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/other.crt")
    assert list(places(root, "tls")) == ["/etc/ssl/certs"]
    make(root, "/etc/ssl/certs/server.pem", text=text, mode=mode)
    assert list(places(root, "tls")) == ["/etc/ssl/certs/ca-certificates.crt"]


def test_python_in_a_virtual_environment_has_two_homes(root: Path) -> None:
    make(root, "/usr/bin/python3.12", text="\x7fELF", mode=0o755)
    make(root, "/usr/lib/python3.12/os.py", "/usr/lib/python3/dist-packages/y.py")
    make(root, "/venv/pyvenv.cfg", text="include-system-site-packages = false\n")
    make(root, "/venv/lib/python3.12/site-packages/x.py")
    make(root, links={"/venv/bin/python3": "/usr/bin/python3", "/usr/bin/python3": "python3.12"})
    assert set(places(root, "python", PATH="/venv/bin")) == {
        "/venv/bin/python3",
        "/venv/pyvenv.cfg",
        "/usr/lib/python3.12",
        "/venv/lib/python3.12/site-packages",
    }
    make(root, "/venv/pyvenv.cfg", text="include-system-site-packages = true\n")
    assert "/usr/lib/python3/dist-packages" in places(root, "python", PATH="/venv/bin")


def test_pyenv_starts_the_version_that_was_chosen(root: Path) -> None:
    make(
        root, "/home/me/.pyenv/shims/python3", text='exec "/home/me/.pyenv/libexec/pyenv" exec "$program"\n', mode=0o755
    )
    for version in ("3.11.7", "3.12.1"):
        make(root, f"/home/me/.pyenv/versions/{version}/bin/python3", mode=0o755)
    make(root, "/home/me/.pyenv/version", text="3.12.1\n")
    binaries = [path for path in places(root, "python", PATH="/home/me/.pyenv/shims") if "/versions/" in path]
    assert binaries == ["/home/me/.pyenv/versions/3.12.1/bin/python3"]


@pytest.mark.parametrize(
    ("name", "path", "harmless", "secret"),
    [
        ("git", "/home/me/.gitconfig", "[user]\nname = Me\n", '[url "https://me:hunter2@host/"]\n'),
        ("cargo", "/home/me/.cargo/config.toml", "[net]\noffline = true\n", '[registry]\ntoken = "hunter2"\n'),
        ("node", "/etc/npmrc", "cafile=/etc/ca\n", "//host/:_authToken=hunter2\n"),
    ],
)
def test_settings_that_hold_a_password_are_left_out(
    root: Path, name: str, path: str, harmless: str, secret: str
) -> None:
    kept = ("/home/me/.git-credentials", "/home/me/.npmrc", "/home/me/.cargo/credentials.toml")
    make(root, f"/usr/bin/{name}", mode=0o755)
    make(root, *kept, text=secret)
    make(root, path, text=harmless)
    assert path in places(root, name, HOME="/home/me")
    make(root, path, text=secret)
    assert not set(places(root, name, HOME="/home/me")) & {path, *kept, "/home/me", "/home/me/.cargo"}


def test_cargo_takes_the_toolchain_that_rustup_starts(root: Path) -> None:
    make(root, "/home/me/.cargo/bin/rustup", mode=0o755, links={"/home/me/.cargo/bin/cargo": "rustup"})
    make(root, "/home/me/.rustup/settings.toml", text='default_toolchain = "stable"\n')
    for toolchain in ("stable", "nightly"):
        make(root, f"/home/me/.rustup/toolchains/{toolchain}/bin/cargo", mode=0o755)
    held = places(root, "cargo", HOME="/home/me", PATH="/home/me/.cargo/bin")
    assert "/home/me/.rustup/toolchains/stable/bin" in held
    assert not [path for path in held if "nightly" in path]
    make(root, "/home/me/.rustup/settings.toml", text='default_toolchain = "../../.ssh"\n')
    assert not [path for path in places(root, "cargo", HOME="/home/me", PATH="/home/me/.cargo/bin") if "ssh" in path]


def test_java_takes_settings_elsewhere_but_no_passwords(root: Path) -> None:
    home = "/usr/lib/jvm/java"
    make(root, f"{home}/bin/java", mode=0o755, links={"/usr/bin/java": f"{home}/bin/java"})
    make(
        root, f"{home}/lib/modules", "/etc/java/security/policy", "/etc/ssl/certs/java/cacerts", "/etc/ssl/private/key"
    )
    make(root, links={f"{home}/conf/policy": "/etc/java/security/policy"})
    make(root, links={f"{home}/lib/cacerts": "/etc/ssl/certs/java/cacerts"})
    assert {"/etc/java", "/etc/ssl/certs/java"} <= set(places(root, "java"))
    make(root, "/etc/java/jmxremote.password", mode=0o600)
    held = set(places(root, "java"))
    assert "/etc/java/security/policy" in held
    assert not held & {"/etc", "/etc/java", "/etc/ssl", "/etc/java/jmxremote.password"}


def test_links_never_lead_out_of_the_root(root: Path) -> None:
    make(root, links={"/etc/hosts": "../../../../../../etc/passwd", "/a": "b", "/b": "a", "/up": "/.."})
    system = System(os.fspath(root))
    assert system.real("/etc/hosts") is None
    assert system.real("/a") is None
    assert system.real("/up/etc") == "/etc"
    assert system.real("relative") is None
    assert System().real("/proc/self") == "/proc/self"
