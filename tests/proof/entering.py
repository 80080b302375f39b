"""Executes a command as another user, in a script of its own because that user may be unable to read the tests.

Usage: entering.py UID COMMAND...
"""

import os
import sys


def main() -> None:
    """Switch the user and execute the command."""
    uid, *command = sys.argv[1:]
    os.setgroups([])
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    os.execv(command[0], command)  # noqa: S606 becoming the command is the job


if __name__ == "__main__":
    main()
