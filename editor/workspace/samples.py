"""The policies that come with Paddock: beside the package in a checkout, inside it in a wheel."""

import os
from typing import NamedTuple

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PLACES = (os.path.join(_HERE, "sample_policies"), os.path.join(os.path.dirname(_HERE), "sample_policies"))
_SUFFIX = ".toml"


class SampleDraft(NamedTuple):
    """A sample policy as the start of a policy of one's own.

    ``path`` is free: nothing stands there yet. ``taken`` is the name that it would have had but for another file that
    is there, empty where it has just that.
    """

    name: str
    text: str
    path: str
    taken: str


class NoSuchSample(ValueError):
    """There is no sample policy of this name. The message is a sentence that lists those that exist."""


def sample_names() -> tuple[str, ...]:
    """The names of all sample policies, sorted."""
    directory = _directory()
    found = os.listdir(directory) if directory is not None else []
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def sample_path(name: str) -> str:
    """The file of the sample policy ``name``. Raises NoSuchSample."""
    names = sample_names()
    if name not in names:
        there_are = f"There are: {', '.join(names)}." if names else "None were installed."
        raise NoSuchSample(f"There is no sample policy '{name}'. {there_are}")
    return os.path.join(_directory() or "", name + _SUFFIX)


def sample_draft(name: str) -> SampleDraft:
    """A new policy that starts as the sample ``name``, to be saved in the working directory.

    Raises NoSuchSample, OSError.
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
