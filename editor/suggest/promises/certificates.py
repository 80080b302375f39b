"""``tls``: the certificates of authorities, and the settings of the libraries that check them."""

import os
from collections.abc import Iterator

from editor.escape import printable
from editor.suggest.promises.loader import library_directories
from editor.suggest.promises.promise import LIST, READ, Place
from editor.suggest.promises.system import System

# What `openssl version -d` prints is a string in its library.
_OPENSSL_DIRECTORY = b'OPENSSLDIR: "'
_PRIVATE_KEY = "PRIVATE KEY-----"  # whatever kind of key it says before

_MAX_NAME = 4096

# Where distributions keep bundles of certificates, for what does not ask OpenSSL: Go, GnuTLS, curl, NSS.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)
_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/ca-certificates/extracted", "/etc/pki/ca-trust/extracted")
_SETTINGS = (
    "/etc/gnutls/config",
    "/etc/crypto-policies/back-ends/openssl.config",
    "/etc/crypto-policies/back-ends/opensslcnf.config",
    "/etc/crypto-policies/back-ends/gnutls.config",
)


def authorities(system: System) -> Iterator[Place]:
    """Yield certificates and settings; no directory that contains a private key, or what only its owner may read."""
    directories = dict.fromkeys(_DIRECTORIES)
    bundles = dict.fromkeys(_BUNDLES)
    for own in _openssl_directories(system):
        yield Place(f"{own}/openssl.cnf", READ, "settings of OpenSSL")
        bundles[f"{own}/cert.pem"] = None
        directories[f"{own}/certs"] = None
    for path in _SETTINGS:
        yield Place(path, READ, "settings of encryption")
    for path in bundles:
        if system.is_file(path) and not _is_secret(system, path):
            yield Place(path, READ, "certificates of authorities, in one file")
    for directory in directories:
        if _is_open(system, directory):
            yield Place(directory, LIST, "certificates of authorities, by their hash")
            for target in _targets(system, directory):
                yield Place(target, READ, f"where certificates in {printable(directory)} lead")


def _openssl_directories(system: System) -> Iterator[str]:
    """Yield the directory that each OpenSSL on the system was built for."""
    libraries = (
        system.outside(path)
        for directory in library_directories(system)
        for path in system.matches(os.path.join(directory, "libcrypto.so*"))
    )
    for library in dict.fromkeys(libraries):
        try:
            with open(library or "", "rb") as file:
                _, found, rest = file.read().partition(_OPENSSL_DIRECTORY)
        except OSError:
            continue
        if found:
            yield os.fsdecode(rest[:_MAX_NAME].partition(b'"')[0])


def _is_open(system: System, directory: str) -> bool:
    """Whether ``directory`` and what is directly in it hold nothing secret."""
    names = system.names(directory)
    return bool(names) and not any(_is_secret(system, os.path.join(directory, name)) for name in names)


def _is_secret(system: System, path: str) -> bool:
    if not system.is_file(path):
        return False
    return not system.is_public(path) or _PRIVATE_KEY in system.text(path)


def _targets(system: System, directory: str) -> Iterator[str]:
    """Yield the directories outside of ``directory`` to which symbolic links in it lead, if they hold no secret."""
    inside = system.real(directory)
    outer: dict[str, None] = {}
    for name in system.names(directory):
        real = system.real(os.path.join(directory, name))
        if real is not None and inside is not None and os.path.dirname(real) != inside and system.is_file(real):
            outer[os.path.dirname(real)] = None
    for each in outer:
        if _is_open(system, each):
            yield each
