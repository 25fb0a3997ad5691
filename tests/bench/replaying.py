"""`seamwatch replay` of a file, measured without the start of Python: python -m tests.bench.replaying FILE EVENTS"""

from __future__ import annotations

import contextlib
import io
import sys
from importlib import import_module

from pipeline.cli import main
from tests.bench.meter import Meter

if __name__ == "__main__":
    _, file, events = sys.argv
    import_module("pipeline.cli.replay")
    meter = Meter()
    meter.saw(1)
    with contextlib.redirect_stdout(io.StringIO()):
        status = main(["replay", "--json", file])
    if status == 0:
        meter.report(int(events) + 1)
    sys.exit(status)
