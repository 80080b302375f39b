"""What the status line says of the open files, and the message about a new one."""

from editor.escape import printable
from editor.workspace.composition import Composition
from editor.workspace.samples import SampleDraft
from editor.workspace.workspace import Workspace
from widgets.status_line import Status


def new_file_notice(file: str, sample: SampleDraft | None) -> str:
    """Return the message that ``file`` is new and what it starts with."""
    path = printable(file)
    if sample is None:
        return f"{path} is new: all rights are handled, none are granted. Saving creates it."
    taken = f"\n{printable(sample.taken)} already exists, hence the name." if sample.taken else ""
    return f"{path} is new, copied from the sample policy {sample.name}. Saving creates it.{taken}"


def status_of(draft: Workspace, composition: Composition, running: str) -> Status:
    """Return the status of ``draft``, the current one, and of the other files. ``running`` is what is in progress."""
    files = composition.workspaces
    problem = next(filter(None, (_problem_of(each, draft) for each in (draft, *files))), "")
    abi = f"ABI {draft.abi}" if draft.kernel.abi else "no Landlock"
    if draft.abi < draft.kernel.effective_abi:
        abi += " (simulated)"
    name = printable(draft.path) + (" (new)" if draft.is_new else "")
    if len(files) > 1:
        others = ", others unsaved" if any(each is not draft for each in composition.unsaved) else ""
        name += f" ({files.index(draft) + 1} of {len(files)} files{others})"
    return Status(name, draft.is_dirty, problem, abi, running)


def _problem_of(file: Workspace, current: Workspace) -> str:
    """Return what is wrong with one of the files."""
    if file.conflict is None:
        return printable(str(file.problem or ""))
    if file is current:
        return "changed on disk: press ctrl+s"
    return f"{printable(file.path)} changed on disk: press f to choose it, then ctrl+s"
