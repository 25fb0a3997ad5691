"""Bytes at every adapter, guided by coverage: `python -m tests.fuzz.adapters --seconds 60` (Linux, Python 3.11).

Begins with the examples of tests/operators. Ends 0 when nothing was found; else it says which bytes broke what, and
leaves them in a file whose name it prints. The first byte of an input chooses the adapter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pipeline.operators"]):
    from pipeline.operators import RECORD_ADAPTERS, Adapter, adapter_of

from pipeline.records import RecordBatch
from tests.operators.cases import CASES, payload
from tests.operators.test_bad_input import AT, sound

FORMATS = ("canonical", *RECORD_ADAPTERS)
ADAPTERS: list[Adapter] = [adapter_of(name, keep_raw=True) for name in FORMATS]


def one_input(data: bytes) -> None:
    if not data:
        return
    adapter, value = ADAPTERS[data[0] % len(ADAPTERS)], data[1:]
    for stamps in (None, [AT]):
        sound(adapter.decode(RecordBatch("fuzz", [1], [value], stamps)), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--runs", type=int, default=-1, help="so many inputs, if that is sooner; with --seed the same ones"
    )
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        for number, case in enumerate(CASES):
            choice = bytes([FORMATS.index(case.format)])
            for place, record in enumerate(case.records):
                (corpus / f"{number}-{place}").write_bytes(choice + payload(record))
        flags = [f"-max_total_time={arguments.seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"]
        flags += [f"-runs={arguments.runs}", f"-seed={arguments.seed}"]
        atheris.Setup([sys.argv[0], *flags, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
