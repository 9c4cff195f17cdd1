"""`python -m explaind`: the command line of the service."""

import os
import subprocess
import sys

from explaind._server import binary


def main() -> int:
    command = [binary(), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(command[0], command)  # signals reach the service directly
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
