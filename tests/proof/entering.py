"""Becomes a command as another user. A script of its own: the tests need not be readable for that user.

Usage: entering.py UID COMMAND...
"""

import os
import sys


def main() -> None:
    """See the module's text."""
    uid, *command = sys.argv[1:]
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    os.execv(command[0], command)  # noqa: S606 becoming the command is the job


if __name__ == "__main__":
    main()
