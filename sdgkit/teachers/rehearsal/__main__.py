"""`python -m sdgkit.teachers.rehearsal`: serve the rehearsal teacher."""

import sys

from sdgkit.teachers.rehearsal.server import main

if __name__ == "__main__":
    sys.exit(main())
