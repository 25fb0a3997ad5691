"""`seamwatch adapt`: what an operator's records become, a record at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.belief import Belief, Believer
from pipeline.config.directory import Configuration, configuration
from pipeline.contracts import CLAUSES
from pipeline.intent import ConfigurationError
from pipeline.observation import UNKNOWN, Observation
from pipeline.operators import ADAPTERS, Decoded
from pipeline.recordfile import RecordFiles
from pipeline.records import RecordBatch

UNREADABLE: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="the configuration directory, whose operators/ is read")
    parser.add_argument("--operator", metavar="NAME", help="whose records they are, by its configuration")
    parser.add_argument("--format", choices=list(ADAPTERS), help="their wire format (default: the operator's)")
    parser.add_argument("--whole", action="store_true", help="each file is one record, not each of its lines")
    parser.add_argument("--json", action="store_true", help="one JSON object a record")
    parser.add_argument("files", metavar="FILE", nargs="+", help="records; - is standard input")
    parser.epilog = "Exit status: 0 it ran; 2 unusable arguments or configuration; 3 an input could not be read."


def run(arguments: argparse.Namespace) -> int:
    try:
        directory = arguments.config
        found = configuration(Path(directory)) if directory is not None else Configuration()
        adapter = found.adapter(arguments.operator, arguments.format, keep_raw=True)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch adapt: {fault}", file=sys.stderr)
        return 2
    except LookupError as error:
        print(f"seamwatch adapt: {error.args[0]}", file=sys.stderr)
        return 2
    files = RecordFiles(arguments.files)
    believer = Believer()
    unread: list[str] = []
    batches = _whole(arguments.files, unread) if arguments.whole else iter(files)
    for batch in batches:
        for row in range(len(batch.values)):
            one = RecordBatch(batch.origin, [batch.positions[row]], [batch.values[row]])
            decoded = adapter.decode(one)
            place = f"{batch.origin}:{batch.positions[row]}"
            beliefs = [
                believer.believe(seen, at) for seen, at in zip(decoded.observations, decoded.arrivals, strict=True)
            ]
            print(as_json(place, decoded, beliefs) if arguments.json else "\n".join(as_text(place, decoded, beliefs)))
    unread += map(str, files.faults)
    for why in unread:
        print(f"seamwatch adapt: {why}", file=sys.stderr)
    return UNREADABLE if unread else 0


def _whole(names: list[str], unread: list[str]) -> Iterator[RecordBatch]:
    for name in names:
        try:
            value = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            unread.append(f"{name}: cannot be read: {error.strerror}")
            continue
        yield RecordBatch(name, [1], [value])


def fields_of(observation: Observation) -> dict[str, Any]:
    """Fields that say something."""
    return {
        name: value
        for name in Observation.__struct_fields__
        if (value := getattr(observation, name)) is not None and value is not False and value != UNKNOWN
    }


def as_json(place: str, decoded: Decoded, beliefs: Sequence[Belief]) -> str:
    """ASCII alone: a terminal shows what stands there and does nothing else."""
    document = {
        "place": place,
        "observations": [
            {
                **fields_of(seen),
                "arrival": decoded.arrivals[row],
                "clock": beliefs[row]._asdict(),
                "clauses": decoded.violations.get(row, ()),
                "raw": decoded.raw.get(row, {}),
            }
            for row, seen in enumerate(decoded.observations)
        ],
        "rejects": [
            {"reason": it.reject.reason, "field": it.reject.field, "detail": it.reject.detail} for it in decoded.rejects
        ],
        "tolerated": dict(decoded.tolerated),
        "unknown_fields": decoded.unknown_fields,
    }
    return shown(msgspec.json.encode(document).decode())


def as_text(place: str, decoded: Decoded, beliefs: Sequence[Belief]) -> Iterator[str]:
    yield shown(place)
    for row, seen in enumerate(decoded.observations):
        fields = fields_of(seen)
        head = [str(fields.pop(name, UNKNOWN)) for name in ("operation", "outcome")]
        if "latency_ms" in fields:
            head.append(f"{fields.pop('latency_ms'):g} ms")
        cohort = " / ".join(str(fields.pop(name, UNKNOWN)) for name in Observation.__struct_fields__[2:6])
        yield shown(f"  {' '.join(head)}  ·  {cohort}")
        rest = {**fields, "arrival": decoded.arrivals[row]}
        yield shown("    " + "  ".join(f"{name}={value}" for name, value in rest.items()))
        yield f"    clock believed: {in_words(beliefs[row])}"
        for clause in decoded.violations.get(row, ()):
            yield f"    violates {clause}: {CLAUSES[clause].sentence}"
        for name, value in decoded.raw.get(row, {}).items():
            yield shown(f"    kept as it came: {name}={value}")
    for clause, times in decoded.tolerated.items():
        yield f"  tolerated for now: {clause} ({times})"
    for refusal in decoded.rejects:
        yield shown(f"  rejected, {refusal.reject.reason}: {refusal.reject.detail}")


def in_words(belief: Belief) -> str:
    """Which clock, and what follows from it."""
    words = [belief.clock]
    if belief.skew_ms:
        words.append(f"({abs(belief.skew_ms)} ms {'behind' if belief.skew_ms > 0 else 'ahead'})")
    if belief.delay_ms is not None:
        words.append(f"so it took {belief.delay_ms} ms to arrive")
    if belief.clause is not None:
        words.append(f"[{belief.clause}: {CLAUSES[belief.clause].sentence}]")
    return " ".join(words)


def shown(text: str) -> str:
    """Text as a terminal may have it: what is not printable is written out."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
