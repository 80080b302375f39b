"""Protected places: what no rule should open unless a person has agreed to it, found by looking at this system."""

import os
import pwd
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from editor.escape import printable
from editor.suggest.lasting import temporary_directories

# What home directories hold that is worth protecting. Only what exists counts.
_IN_HOME = {
    ".ssh": "SSH keys",
    ".gnupg": "GnuPG keys",
    ".aws": "AWS credentials",
    ".azure": "Azure credentials",
    ".config/gcloud": "Google Cloud credentials",
    ".kube": "Kubernetes credentials",
    ".docker/config.json": "registry credentials",
    ".config/gh": "GitHub credentials",
    ".git-credentials": "Git credentials",
    ".netrc": "passwords",
    ".pgpass": "passwords",
    ".pypirc": "PyPI credentials",
    ".cargo/credentials": "Cargo credentials",
    ".cargo/credentials.toml": "Cargo credentials",
    ".vault-token": "a Vault token",
    ".password-store": "a password store",
    ".local/share/keyrings": "a password store",
    ".local/share/kwalletd": "a password store",
    ".config/keepassxc": "a password store",
    ".config/Bitwarden": "a password store",
    ".config/1Password": "a password store",
    ".mozilla": "a browser profile",
    ".thunderbird": "a mail profile",
    ".config/google-chrome": "a browser profile",
    ".config/chromium": "a browser profile",
    ".config/BraveSoftware": "a browser profile",
    ".config/microsoft-edge": "a browser profile",
    ".config/vivaldi": "a browser profile",
    ".config/opera": "a browser profile",
    "snap/firefox": "a browser profile",
    "snap/chromium": "a browser profile",
    ".var/app/org.mozilla.firefox": "a browser profile",
    ".var/app/com.google.Chrome": "a browser profile",
}

_OF_THE_SYSTEM = {
    "/etc/shadow": "password hashes",
    "/etc/shadow-": "password hashes",
    "/etc/gshadow": "password hashes",
    "/etc/gshadow-": "password hashes",
    "/etc/ssl/private": "private keys",
    "/etc/pki/tls/private": "private keys",
    "/etc/letsencrypt/archive": "private keys",
    "/etc/krb5.keytab": "Kerberos keys",
    "/etc/sudoers": "who may become root",
    "/etc/sudoers.d": "who may become root",
    "/var/lib/docker": "every container",
    "/var/lib/containerd": "every container",
}

THIS_POLICY = "this policy itself"
"""What is protected in the directory of the policy for which rules are made."""

_WHOLE = {
    "/": "the whole filesystem",
    "/proc": "every process with its memory and environment",
    "/sys": "every setting of kernel and devices",
    "/dev": "every device, disks among them",
}

# Each person's home is in one of these; a user without one, as most services are, lives elsewhere.
_HOMES = ("/home", "/var/home")
_FIRST_PERSON, _NOBODY = 1000, 65534

_KEY_NAME = re.compile(r".*\.key\Z|privkey.*\.pem\Z|.*_key\Z|id_(rsa|dsa|ecdsa|ed25519)\Z")
_READABLE_BY_OTHERS = 0o044


class _Place(NamedTuple):
    """One protected place. A ``secret`` is protected with everything in it, any other only as a whole."""

    path: str
    what: str
    secret: bool = False


class ProtectedPlaces:
    """The protected places of this system, as they are when this is made.

    ``policy_directory`` is the directory of the policy for which rules are made, if it has a file: a program that
    writes there could replace its own policy.
    """

    def __init__(self, policy_directory: str | None = None) -> None:
        own = os.path.realpath(policy_directory) if policy_directory else None
        # A home or a policy beneath one of these is there for a test, and does not close it to everything else.
        temporary = temporary_directories()
        self._places: dict[str, _Place] = {}
        # The places below each directory that has any.
        self._beneath: dict[str, list[_Place]] = {}
        for place in _found(own):
            if place.path in self._places:
                continue
            self._places[place.path] = place
            for above in _above(place.path) if place.path not in _WHOLE else ():
                if place.secret or above not in temporary:
                    self._beneath.setdefault(above, []).append(place)
        self._own = own
        self._around: dict[str, _Place | None] = {}
        self._keys: dict[str, list[_Place]] = {}

    def inside(self, path: str, *, writing: bool = False, directory: bool = True) -> str | None:
        """Return what a rule on ``path`` would open that is protected, in printable words; None if nothing.

        The policy's own directory counts only for a rule that allows ``writing``. ``directory`` is false if ``path`` is
        known to be a file, which saves looking into it.
        """
        secret = self._secret_around(path)
        if secret is not None:
            return _named(secret)
        matter = [each for each in self._beneath.get(path, ()) if writing or each.path != self._own]
        if directory:
            matter += [key for key in self._keys_in(path) if key.path not in self._places]
        inside = _listed(matter)
        place = self._places.get(path)
        if place is None or (path == self._own and not writing):
            return inside or None
        return f"{_named(place)}: {inside}" if inside else _named(place)

    def _secret_around(self, path: str) -> _Place | None:
        """Return the secret place that is ``path`` or holds it. Remembered by directory."""
        place = self._places.get(path)
        if place is not None and place.secret:
            return place
        directory = os.path.dirname(path)
        if directory == path:
            return None
        if directory not in self._around:
            self._around[directory] = self._secret_around(directory)
        return self._around[directory]

    def _keys_in(self, directory: str) -> list[_Place]:
        if directory not in self._keys:
            self._keys[directory] = _keys_in(directory)
        return self._keys[directory]


def protected(path: str) -> str | None:
    """Return what a rule on ``path`` would open that is protected, in printable words; None if nothing."""
    return ProtectedPlaces().inside(path, writing=True)


def _named(place: _Place, others: int = 0) -> str:
    return f"{printable(place.path)}{f' and {others} more' if others else ''} ({place.what})"


def _listed(places: Iterable[_Place]) -> str:
    """Return ``places`` in words, one for each kind."""
    kinds: dict[str, list[_Place]] = {}
    for place in places:
        kinds.setdefault(place.what, []).append(place)
    return ", ".join(_named(found[0], len(found) - 1) for found in kinds.values())


def _found(policy_directory: str | None) -> Iterator[_Place]:
    """Yield the protected places that exist, those that a person should hear of first before others."""
    for path, what in _WHOLE.items():
        yield _Place(path, what)
    if policy_directory:
        yield _Place(policy_directory, THIS_POLICY)
    homes, people = _home_directories()
    for home in homes:
        for name, what in _IN_HOME.items():
            path = f"{home}/{name}"
            if os.path.lexists(path):
                yield _Place(os.path.realpath(path), what, secret=True)
    for path, what in _OF_THE_SYSTEM.items():
        if os.path.lexists(path):
            yield _Place(path, what, secret=True)
    yield from _keys_in("/etc", deep=True)
    for home in people:
        yield _Place(home, "a home directory")
    for path in _HOMES:
        if os.path.isdir(path):
            yield _Place(path, "all home directories")


def _home_directories() -> tuple[list[str], list[str]]:
    """Return all home directories, and those in which people live, without symbolic links."""
    homes: dict[str, None] = {}
    people: dict[str, None] = {}
    entries = [(os.environ.get("HOME", ""), True)]
    for entry in pwd.getpwall():
        is_person = entry.pw_uid in (0, os.getuid()) or _FIRST_PERSON <= entry.pw_uid != _NOBODY
        entries.append((entry.pw_dir, is_person or entry.pw_dir.startswith(_HOMES)))
    for path, is_person in entries:
        if path.startswith("/") and os.path.isdir(path) and os.path.realpath(path) != "/":
            homes[os.path.realpath(path)] = None
            if is_person:
                people[os.path.realpath(path)] = None
    return list(homes), list(people)


def _keys_in(directory: str, *, deep: bool = False) -> list[_Place]:
    """Return the private keys in ``directory``, named as one and readable by the owner alone; ``deep``: and below."""
    keys = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if _KEY_NAME.match(entry.name):
                    if entry.is_file(follow_symlinks=False) and not entry.stat().st_mode & _READABLE_BY_OTHERS:
                        keys.append(_Place(entry.path, "a private key", secret=True))
                elif deep and entry.is_dir(follow_symlinks=False):
                    keys += _keys_in(entry.path, deep=True)
    except (OSError, ValueError):
        pass
    return keys


def _above(path: str) -> Iterator[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path
