"""Opening a pseudoterminal's other end by its master: an open(2) without a path (drivers/tty/pty.c)."""

from editor.landlock.rights import RightSet
from editor.sandbox.calls.attempt import Args, Attempt, Caller, request_on, signed
from editor.sandbox.calls.files import open_at
from editor.sandbox.calls.paths import AT_FDCWD

TIOCGPTPEER = 0x5441

_COMMANDING: RightSet = frozenset({"ioctl_dev"})


def open_peer(caller: Caller, args: Args) -> Attempt | None:
    """Decode ioctl(2) TIOCGPTPEER, whose argument are the flags of open(2).

    Landlock checks the command on the master first, then opening the other end (ptm_open_peer()).
    """
    master = caller.look_up_descriptor(signed(args[0]))
    number = caller.terminal_number(signed(args[0]))
    if number is None or master.real_path is None:
        return None
    # devpts_mntget(): the filesystem that the master is on, or the one mounted at "pts" beside it.
    directory = (master.parent or "").removesuffix("/pts") + "/pts"
    opening = open_at(caller, AT_FDCWD, f"{directory}/{number}", args[2])
    return Attempt("carried", request_on(caller, master, _COMMANDING), *opening.requests)
