"""The rows of the Denied and Allowed tables."""

from editor.escape import printable
from editor.landlock.rights import in_order
from editor.sandbox.verdicts.report import Access
from editor.screens.rule_text import rule_text
from widgets.access_rows import AccessRow


def access_subject(access: Access) -> str:
    """Return what an access was on: a path or a port."""
    if access.port is not None:
        return f"port {access.port}"
    path = printable(access.path or access.object_path or "")
    return path if access.old_path is None else f"{printable(access.old_path)} -> {path}"


def access_row(access: Access) -> AccessRow:
    """Return a row of the Denied or Allowed table."""
    shown = access.missing or access.rights
    return AccessRow(
        key=access.key(),
        rights=", ".join(in_order(shown)) or access.syscall,
        subject=access_subject(access),
        process=printable(access.process),
        times=access.times,
        errno=access.errno or "",
        syscall=access.syscall,
        rule=rule_text(access.decided_by[0]) if access.decided_by else "",
        reason=printable(access.reason),
        verdict=access.verdict,
        confirmed=access.confirmed,
        access=access,
        from_audit=access.observed == "audit",
    )
