"""Write a new check from a run: the same command shall end alike, be denied the same, and nothing else."""

from editor.analysis.verify.expected import OUTSIDE
from editor.exchange.spelling import quoted
from editor.landlock.rights import in_order, rights_of
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest.lasting import ALL_PROCESSES, COMMANDS_OWN, CannotGrant, lasting_place

_SCOPES = rights_of("scope")


def check_of(report: Report, directory: str | None = None, name: str = "") -> str:
    """Return the text of a ``[[check]]`` that the run of ``report`` fulfils, to be added to a file of checks.

    ``directory`` is where the command ran, None for a temporary one; ``name`` is by default the command. What the
    program was denied on a path that will be there again must be denied again; a denial on a passing name may happen,
    anywhere in the directory that lasts. Raises ValueError for a command that is not UTF-8, which TOML must be, and for
    a run that asked: it ended as it was answered.
    """
    if report.mode == "ask":
        raise ValueError("the last run asked, and ended as it was answered; run it again under the policy")
    for word in report.command:
        word.encode()
    denied: dict[str, None] = {}
    may_be_denied: dict[str, None] = {}
    unwritten = []
    for access in report.accesses:
        if access.verdict != "denied":
            continue
        try:
            text, lasts = _spelled(access)
        except (CannotGrant, UnicodeEncodeError) as error:
            unwritten.append(f"# Not written: {error}" if isinstance(error, CannotGrant) else _NOT_UTF8)
            continue
        (denied if lasts else may_be_denied).setdefault(text)
    words = ", ".join(quoted(word, wide=True) for word in report.command)
    lines = [
        "[[check]]",
        f"name = {quoted(name or ' '.join(report.command), wide=True)}",
        f"command = [{words}]",
    ]
    if directory is not None:
        lines.append(f"directory = {quoted(directory, wide=True)}")
    if report.mode != "enforce":
        lines.append(f"mode = {quoted(report.mode, wide=True)}")
    if report.exit_code:
        lines.append(f"exit_status = {report.exit_code}")
    for key, texts in (("denied", denied), ("may_be_denied", may_be_denied)):
        if texts:
            lines += [f"{key} = [", *(f"    {quoted(text, wide=True)}," for text in texts), "]"]
    return "\n".join([*lines, *dict.fromkeys(unwritten), ""])


_NOT_UTF8 = "# Not written: the denial of a path that is not UTF-8."


def _spelled(access: Access) -> tuple[str, bool]:
    """Return a denial as a file of checks names it, and whether it is to be expected of each run.

    Raises CannotGrant for an object that is on no path, UnicodeEncodeError for a path that is not UTF-8.
    """
    rights = access.missing or access.rights
    names = ",".join(in_order(rights))
    if access.port is not None:
        return f"{names} {access.port}", True
    if rights <= _SCOPES:
        return f"{names} {OUTSIDE}", True
    place = lasting_place(access)
    if place == COMMANDS_OWN:  # its number is another each time
        place = ALL_PROCESSES
    is_plain = "*" not in place and place == place.strip()  # what a file of checks takes for one object
    while "*" in place or place != place.strip():
        place = place.rpartition("/")[0] or "/"
    place.encode()
    if is_plain and place == access.object_path and access.explained:
        return f"{names} {place}", True
    return f"{names} {place.rstrip('/')}/**", False
