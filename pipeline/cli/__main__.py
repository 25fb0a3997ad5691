"""`python -m pipeline.cli`: the same as the command `seamwatch`."""

import sys

from pipeline.cli import main

sys.exit(main())
