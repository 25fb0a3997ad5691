"""`seamwatch measure`: a series of single values, one a window, judged by its own past."""

from __future__ import annotations

import argparse
import csv
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec

from pipeline.detect.aggregates import Mark
from pipeline.incidents.wording import instant
from pipeline.measure import SeriesError, measure, read_series

UNREADABLE = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--time", metavar="COLUMN", help="name of the column of times (default: the first)")
    parser.add_argument("--value", metavar="COLUMN", help="name of the column of values (default: the second)")
    parser.add_argument(
        "--false-alarms-per-week", metavar="N", type=_positive, default=0.5, help="of this series (default %(default)s)"
    )
    parser.add_argument("--scores", metavar="OUT.csv", help="timestamp,anomaly_score of every row, 0 to 1")
    parser.add_argument("--json", action="store_true", help="print the alarms as JSON, one a line")
    parser.add_argument("file", metavar="FILE.csv", help="a header, then rows in order of time; - is standard input")
    parser.epilog = (
        "For measurements that are aggregates already: a rate, a count or a mean a window, with no siblings. Records "
        "of attempts, also with a count, go to replay. Exit status: 0 it ran, whatever it found; 2 unusable arguments "
        "or a file that is no series; 3 the file cannot be read."
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        with ExitStack() as files:
            lines = sys.stdin
            if arguments.file != "-":
                lines = files.enter_context(open(arguments.file, newline="", encoding="utf-8-sig"))
            scores = None
            if arguments.scores is not None:
                scores = csv.writer(files.enter_context(open(arguments.scores, "w", newline="", encoding="utf-8")))
                scores.writerow(["timestamp", "anomaly_score"])
            series = read_series(lines, arguments.time, arguments.value)
            for mark in measure(series, arguments.false_alarms_per_week):
                if scores is not None:
                    scores.writerow([_stamp(mark.at), f"{mark.score:.6f}"])
                if mark.state == "firing":
                    _tell(mark, arguments.json)
    except SeriesError as error:
        print(f"seamwatch measure: {arguments.file}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        print(f"seamwatch measure: {arguments.file}: {error}", file=sys.stderr)
        return UNREADABLE
    return 0


def _tell(mark: Mark, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(mark).decode())
        return
    expected = "" if mark.expected is None else f", expected {mark.expected:.4g}"
    print(f"{instant(mark.at)}  {mark.value:.4g}{expected}  (evidence {mark.nats:.1f} nats)")


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise ValueError
    return number
