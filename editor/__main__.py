"""``python -m editor`` is ``paddock``."""

import sys

from editor.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
