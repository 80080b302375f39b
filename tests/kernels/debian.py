"""Debian's kernels, downloaded by apt with its own package lists, and cached.

The machine's own apt sources, lists and packages are left alone; only the archive's address is read from them.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from typing import NamedTuple

# Where Debian has kernels: a version that has left one suite is often still in another.
SUITES = ("bookworm", "trixie", "trixie-backports", "sid")

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The image is in linux-image-*, from 7.1 on in linux-binary-*. Cloud kernels are the small ones.
_PACKAGE = re.compile(r"linux-(?P<kind>image|binary)-(?P<release>\d[\w.+]*(-\d+)?)-cloud-amd64")


class KernelMissing(Exception):
    """A kernel is not available now. The text is one whole sentence."""


class Kernel(NamedTuple):
    """A kernel to boot: its version family (``6.12``), the Debian package and version, and the image file."""

    family: str
    package: str
    version: str
    image: str


def cache_directory() -> str:
    """Return the cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "paddock-kernels")


def family_of(release: str) -> str:
    """Return the version family of a kernel release: ``6.12`` of ``6.12.117+deb13-cloud-amd64``."""
    return ".".join(re.split(r"[.+-]", release)[:2])


def _archive() -> str:
    """Return the address of the Debian archive in apt's configuration. Raises KernelMissing if there is none."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"], capture_output=True, text=True, check=False
    )
    targets = [line.partition(" ") for line in done.stdout.splitlines()]
    for origin, _, address in targets:
        if origin == "Debian":
            return address
    for _, _, address in targets:  # the machine has no package lists yet
        if address.rstrip("/").endswith("/debian"):
            return address
    raise KernelMissing("apt on this machine knows no Debian archive to take kernels from.")


class Apt:
    """A private apt: sources, lists and downloads below ``directory``."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        for name in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        self._sources = os.path.join(directory, "sources.list")
        status = os.path.join(directory, "status")
        with open(status, "a", encoding="ascii"):
            pass
        self._options = [
            f"Dir::Etc::SourceList={self._sources}",
            "Dir::Etc::SourceParts=/dev/null",
            "Dir::Etc::Preferences=/dev/null",
            "Dir::Etc::PreferencesParts=/dev/null",
            f"Dir::State={directory}",
            f"Dir::State::status={status}",
            f"Dir::Cache={directory}",
            "Dir::Cache::pkgcache=pkgcache.bin",  # container images often turn it off, which is slow
            "Dir::Cache::srcpkgcache=srcpkgcache.bin",
            "APT::Architecture=amd64",
            "APT::Architectures=amd64",
            "APT::Sandbox::User=",  # downloads go to a directory that only this user may enter
            "Acquire::Languages=none",
            "Acquire::Retries=2",
            "Acquire::http::Timeout=30",
            "Acquire::https::Timeout=30",
        ]

    def _run(self, *command: str, cwd: str | None = None) -> str:
        program, *arguments = command
        options = [word for option in self._options for word in ("-o", option)]
        try:
            done = subprocess.run(
                [program, *options, *arguments],
                capture_output=True,
                text=True,
                check=False,
                cwd=cwd,
                timeout=600,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise KernelMissing(f"{program} is not there: kernels are taken from Debian's archive by apt.") from None
        except subprocess.TimeoutExpired:
            raise KernelMissing(f"{program} did not end within ten minutes.") from None
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            # The first warning has the cause; the last error only says that there were some.
            cause = next((line for line in lines if "Failed to fetch" in line), lines[-1])
            raise KernelMissing(f"{program} failed: {re.sub('^[EW]: +', '', cause).rstrip('.')}.")
        return done.stdout

    def update(self) -> None:
        """Refresh the package lists; unchanged ones are not downloaded. Raises KernelMissing."""
        archive = _archive()
        with open(self._sources, "w", encoding="utf-8") as file:
            file.writelines(f"deb [signed-by={_KEYRING}] {archive} {suite} main\n" for suite in SUITES)
        self._run("apt-get", "update", "--error-on=any", "-q")

    def newest(self, family: str) -> tuple[str, str] | None:
        """Return the newest kernel package of ``family`` and its version; None if the lists have none."""
        if not os.path.exists(self._sources):
            return None
        found: dict[tuple[int, ...], str] = {}
        for name in sorted(self._run("apt-cache", "pkgnames", "linux-").split(), reverse=True):
            match = _PACKAGE.fullmatch(name)
            # reverse order: linux-image comes before linux-binary, which has the image if both exist
            if match is not None and family_of(match["release"]) == family:
                found[tuple(int(number) for number in re.findall(r"\d+", match["release"]))] = name
        if not found:
            return None
        package = found[max(found)]
        shown = self._run("apt-cache", "show", "--no-all-versions", package)
        version = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
        return (package, version[1]) if version is not None else None

    def download(self, package: str, version: str, directory: str) -> str:
        """Return the package file, downloaded into ``directory`` and verified by apt. Raises KernelMissing."""
        self._run("apt-get", "download", "-q", f"{package}={version}", cwd=directory)
        files = [name for name in os.listdir(directory) if name.endswith(".deb")]
        if len(files) != 1:
            raise KernelMissing(f"{package} was not downloaded.")
        return os.path.join(directory, files[0])


def _unpack_image(package_file: str, image: str) -> None:
    """Write the kernel image of a package to ``image``. Raises KernelMissing if the package has none."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package_file], stdout=subprocess.PIPE) as unpacking:
        found = False
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            for member in archive:
                if member.isreg() and os.path.basename(member.name).startswith("vmlinuz"):
                    stream = archive.extractfile(member)
                    if stream is not None:
                        with open(image, "wb") as file:
                            shutil.copyfileobj(stream, file)
                        found = True
    if not found or unpacking.returncode != 0:
        raise KernelMissing(f"{os.path.basename(package_file)} contains no kernel image.")


class Kernels:
    """The available kernels, with a cache in ``directory``."""

    def __init__(self, directory: str) -> None:
        self._images = os.path.join(directory, "images")
        os.makedirs(self._images, exist_ok=True)
        self._apt = Apt(os.path.join(directory, "apt"))
        self._problem = f"no suite of {', '.join(SUITES)} has a cloud kernel"
        try:
            self._apt.update()
        except KernelMissing as error:
            self._problem = "the lists of packages could not be downloaded"
            print(f"{error} Going on with what was downloaded before.", file=sys.stderr)

    def get(self, family: str) -> Kernel:
        """Return the newest kernel of ``family``, cached or downloaded. Raises KernelMissing."""
        problem = self._problem
        try:
            newest = self._apt.newest(family)
            if newest is not None:
                return self._cached(family, *newest) or self._fetched(family, *newest)
        except KernelMissing as error:
            problem = str(error).rstrip(".")
        for name in sorted(os.listdir(self._images), reverse=True):
            package, _, version = name.partition("=")
            match = _PACKAGE.fullmatch(package)
            kernel = self._cached(family, package, version)
            fits = match is not None and family_of(match["release"]) == family
            if fits and kernel is not None and not name.endswith(".part"):
                return kernel
        raise KernelMissing(f"Linux {family} cannot be had: {problem}.")

    def _cached(self, family: str, package: str, version: str) -> Kernel | None:
        image = os.path.join(self._images, f"{package}={version}", "vmlinuz")
        return Kernel(family, package, version, image) if os.path.exists(image) else None

    def _fetched(self, family: str, package: str, version: str) -> Kernel:
        place = os.path.join(self._images, f"{package}={version}")
        partial = f"{place}.{os.getpid()}.part"
        os.mkdir(partial)
        try:
            package_file = self._apt.download(package, version, partial)
            _unpack_image(package_file, os.path.join(partial, "vmlinuz"))
            os.remove(package_file)
            os.rename(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._forget_older(family, keep=os.path.basename(place))
        return Kernel(family, package, version, os.path.join(place, "vmlinuz"))

    def _forget_older(self, family: str, keep: str) -> None:
        for name in os.listdir(self._images):
            match = _PACKAGE.fullmatch(name.partition("=")[0])
            if match is not None and family_of(match["release"]) == family and name != keep:
                with contextlib.suppress(OSError):
                    shutil.rmtree(os.path.join(self._images, name))
