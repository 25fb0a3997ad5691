"""Recorded streams: files of canonical records, whose last hours are copied, and changed in the copy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from pipeline.drill.spoil import spoilt
from pipeline.drill.streams import UnusableStreamError, moved
from pipeline.ingest import Ingest
from pipeline.messages import MINUTE_MS, Reject, Tick, Windows
from pipeline.recordfile import InputFault, RecordFiles
from pipeline.records import RecordBatch
from pipeline.simulate.durations import DAY_MS, HOUR_MS
from pipeline.simulate.faults import Fault

LOOKBACK_MS: Final = HOUR_MS
"""What a continuation reads again of the history, to know duplicates and order, as a worker does when it starts."""


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """Records of files, canonical, in arrival order; what is changed is a copy of their last hours.

    rest: the copy, from `LOOKBACK_MS` before `begin_ms` on. Make it with `recorded`.
    """

    names: tuple[str, ...]
    rest: str
    first_ms: int
    begin_ms: int
    last_ms: int
    seed: int = 0
    faults: tuple[InputFault, ...] = ()

    @property
    def source(self) -> str:
        return "recorded"

    @property
    def end_ms(self) -> int | None:
        return self.last_ms

    @property
    def text(self) -> str:
        days = (self.begin_ms - self.first_ms) / DAY_MS
        hours = (self.last_ms - self.begin_ms) / HOUR_MS
        return f"recorded, {', '.join(self.names)}: {days:.1f} days of history, then {hours:.1f} hours to change"

    def history(self) -> Iterator[Windows | Tick]:
        return self._windows(_until(RecordFiles(self.names), self.begin_ms))

    def after(self, fault: Fault | None, usual: float, minutes: int) -> Iterator[Windows | Tick]:
        begin, end = self.begin_ms, self.begin_ms + minutes * MINUTE_MS
        batches: Iterable[RecordBatch] = RecordFiles([self.rest])
        if fault is not None:
            batches = spoilt(batches, moved(fault, begin), usual, self.seed)
        for message in self._windows(_until(batches, end)):
            if message.minute >= begin:
                yield message

    def _windows(self, batches: Iterable[RecordBatch]) -> Iterator[Windows | Tick]:
        ingest = Ingest(self.source)
        fed = (ingest.feed(batch) for batch in batches)
        for message in chain(chain.from_iterable(fed), _end_of(ingest)):
            if not isinstance(message, Reject):
                yield message


def recorded(
    names: Sequence[str], folder: Path, *, begin_ms: int | None = None, hours: float, seed: int
) -> RecordedStream:
    """Read the files once, and copy their end to a file in `folder`.

    begin_ms: where the history ends; None: `hours` before the last record.

    Raises:
        UnusableStreamError: there is no record, or nothing before or after that instant.
    """
    files = RecordFiles(names)
    first, last = _extent(files)
    if first is None or last is None:
        why = "; ".join(str(fault) for fault in files.faults) or "there is no record with a time in it"
        raise UnusableStreamError(why)
    begin = (last - round(hours * HOUR_MS) if begin_ms is None else begin_ms) // MINUTE_MS * MINUTE_MS
    if not first + DAY_MS <= begin < last:
        msg = (
            f"the records are of {(last - first) / DAY_MS:.1f} days; a drill needs a day of history at least (seven to "
            "judge by), and hours after it to change"
        )
        raise UnusableStreamError(msg)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".ndjson", delete=False) as rest:
        for batch in RecordFiles(names):
            rest.writelines(line + b"\n" for line in batch.values if (_at(line) or begin) >= begin - LOOKBACK_MS)
    return RecordedStream(tuple(names), rest.name, first, begin, last, seed, tuple(files.faults))


class _Arrival(msgspec.Struct):
    received_at: int | None = None


_DECODER: Final = msgspec.json.Decoder(_Arrival)


def _at(line: bytes) -> int | None:
    """When a record arrived; None where it does not say, which is for ingest to refuse."""
    try:
        return _DECODER.decode(line).received_at
    except msgspec.MsgspecError:
        return None


def _extent(batches: Iterable[RecordBatch]) -> tuple[int | None, int | None]:
    first = last = None
    for batch in batches:
        for line in batch.values:
            at = _at(line)
            if at is not None:
                first = at if first is None else min(first, at)
                last = at if last is None else max(last, at)
    return first, last


def _until(batches: Iterable[RecordBatch], end_ms: int) -> Iterator[RecordBatch]:
    """The records before the first that arrived at `end_ms` or later."""
    for batch in batches:
        cut = next((number for number, line in enumerate(batch.values) if (_at(line) or 0) >= end_ms), None)
        if cut is None:
            yield batch
            continue
        if cut:
            yield RecordBatch(batch.origin, batch.positions[:cut], batch.values[:cut])
        return


def _end_of(ingest: Ingest) -> Iterator[Windows | Tick | Reject]:
    """What is left when all has been fed: not asked for before."""
    yield from ingest.flush()
