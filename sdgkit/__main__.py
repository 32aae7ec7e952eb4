"""`python -m sdgkit`: the `sdgkit` command."""

import sys

from sdgkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
