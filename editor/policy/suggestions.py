"""Suggest what an unknown name probably meant."""

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the closest of ``known``, or an empty string."""
    meant = nearest(name, known)
    return f"did you mean '{meant}'?" if meant else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of ``known`` that ``name`` probably meant, or an empty string."""
    import difflib  # noqa: PLC0415 only errors need it
    import re  # noqa: PLC0415

    candidates = sorted(known)
    # LANDLOCK_ACCESS_FS_READ_FILE, fs.read_file, readFile and READ-FILE all mean read_file.
    plain = re.sub(r"^(landlock_(access_(fs|net)|scope)_|(fs|net|scope)\.)", "", name, flags=re.IGNORECASE)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).replace("-", "_").lower()
    for candidate in candidates:
        if candidate.lower() in (name.lower(), snake):
            return candidate
    near = difflib.get_close_matches(snake, candidates, n=1, cutoff=0.7)
    return near[0] if near else ""
