"""Answers that stand until the run ends: which rights on which objects are allowed or denied from now on."""

from collections.abc import Iterable

from editor.sandbox.verdicts.report import Access

_Subject = tuple[str, str]


class Standing:
    """Remembers the answers of one run that are for more than one call."""

    def __init__(self) -> None:
        self._answers: dict[_Subject, bool] = {}

    def remember(self, accesses: Iterable[Access], *, allow: bool) -> None:
        """Answer the same rights on the same objects in the same way from now on."""
        for access in accesses:
            self._answers.update(dict.fromkeys(_subjects(access), allow))

    def answer(self, accesses: Iterable[Access]) -> bool | None:
        """Return True if all of ``accesses`` are allowed, False if any is denied, None if that is not known."""
        known = [self._answers.get(subject) for access in accesses for subject in _subjects(access)]
        if False in known:
            return False
        return None if None in known else True


def _subjects(access: Access) -> list[_Subject]:
    """Return what an answer about ``access`` is about: an object, and each right that is missing on it."""
    on = f"port {access.port}" if access.port is not None else access.object_path or access.path or access.syscall
    # What no right is for, such as a look into another process, is answered by the call.
    return [(on, right) for right in access.missing or (access.syscall,)]
