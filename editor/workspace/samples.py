"""The sample policies that come with Paddock: next to the package in a checkout, inside it in a wheel."""

import os
from typing import NamedTuple

from editor.policy.files import is_policy_name

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PLACES = (os.path.join(_HERE, "sample_policies"), os.path.join(os.path.dirname(_HERE), "sample_policies"))
_SUFFIX = ".toml"


class SampleDraft(NamedTuple):
    """A new policy that starts as a copy of a sample.

    ``path`` does not exist yet. ``taken`` is the preferred name if that is already taken, else empty.
    """

    name: str
    text: str
    path: str
    taken: str


class NoSuchSample(ValueError):
    """There is no sample policy with this name. The message is a sentence that lists those that exist."""


def sample_names() -> tuple[str, ...]:
    """Return the names of all sample policies, sorted."""
    directory = _directory()
    found = os.listdir(directory) if directory is not None else []
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if is_policy_name(name)))


def sample_path(name: str) -> str:
    """Return the path of the sample policy ``name``. Raises NoSuchSample."""
    names = sample_names()
    if name not in names:
        available = f"Available: {', '.join(names)}." if names else "No samples are installed."
        raise NoSuchSample(f"There is no sample policy '{name}'. {available}")
    return os.path.join(_directory() or "", name + _SUFFIX)


def sample_draft(name: str) -> SampleDraft:
    """Return a new policy that starts as the sample ``name``, to be saved in the working directory.

    Raises NoSuchSample or OSError.
    """
    with open(sample_path(name), encoding="utf-8") as file:
        text = file.read()
    first = path = name + _SUFFIX
    number = 1
    while os.path.lexists(path):
        number += 1
        path = f"{name}-{number}{_SUFFIX}"
    return SampleDraft(name, text, path, first if path != first else "")


def _directory() -> str | None:
    return next((place for place in _PLACES if os.path.isdir(place)), None)
