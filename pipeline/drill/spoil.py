"""Faults in recorded canonical records: a scope, from an instant on; the same bytes for the same seed.

============================  =====================================================================================
latency                       every latency times the factor
failure, denial, timeout      so many of the good outcomes become bad ones that the usual share is multiplied
retry                         so many records that carry the field get a retry
out_of_order                  so many records arrive behind the next one of their device
duplicate, gap                so many records come twice, or not at all
volume, silence               so many visits do not happen; all of them
delay                         everything arrives later by so much
============================  =====================================================================================

Which records are hit is drawn from their event id and the seed, so it does not depend on how the file was read.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

import msgspec

from pipeline.observation import UNKNOWN, Cohort
from pipeline.records import RecordBatch
from pipeline.simulate.faults import Fault

LINES: Final = 4_000
_BAD: Final = {"failure": "error", "denial": "denied", "timeout": "timeout"}
_WHOLE: Final = float(1 << 32)

Record = dict[str, Any]


def spoilt(batches: Iterable[RecordBatch], fault: Fault, usual: float, seed: int) -> Iterator[RecordBatch]:
    """The records with the fault in them, in arrival order. `fault.start` is ms since the epoch.

    usual: the share that the fault multiplies, within its scope, while nothing is wrong.

    What is no JSON object is passed on as it is.
    """
    fate = _Fate(fault, usual, seed)
    queue: list[tuple[int, int, bytes]] = []
    number = count()
    out: list[bytes] = []
    first = 1
    for batch in batches:
        for line in batch.values:
            for at, made in fate.of(line):
                if at is None or fault.kind != "delay":
                    out.append(made)
                else:
                    heapq.heappush(queue, (at, next(number), made))
            while queue and queue[0][0] <= fate.now:
                out.append(heapq.heappop(queue)[2])
        while len(out) >= LINES:
            yield RecordBatch("drill", range(first, first + LINES), out[:LINES])
            first, out = first + LINES, out[LINES:]
    out += fate.held()
    out += [heapq.heappop(queue)[2] for _ in range(len(queue))]
    if out:
        yield RecordBatch("drill", range(first, first + len(out)), out)


class _Fate:
    """What becomes of each record. now: the latest arrival seen."""

    def __init__(self, fault: Fault, usual: float, seed: int) -> None:
        self.now = 0
        self._fault = fault
        self._seed = seed
        more = max(usual * (fault.size - 1.0), 0.0)
        # Of the attempts that are good so far, that many of all have to turn bad.
        self._share = min(more / (1.0 - usual), 1.0) if fault.kind in (*_BAD, "retry") and usual < 1.0 else more
        self._held: dict[str, Record] = {}
        """By device: records that wait for the next one, to arrive behind it."""

    def of(self, line: bytes) -> list[tuple[int | None, bytes]]:
        """Records that a line becomes, each with its arrival where that is known."""
        try:
            record = msgspec.json.decode(line)
        except msgspec.MsgspecError:
            return [(None, line)]
        if not isinstance(record, dict) or not isinstance(at := record.get("received_at"), int):
            return [(None, line)]
        self.now = max(self.now, at)
        if not self._hits(record, at):
            return [(at, line)]
        return [(one["received_at"], msgspec.json.encode(one)) for one in self._changed(record, at)]

    def held(self) -> list[bytes]:
        """What has waited in vain: it arrives last."""
        return [msgspec.json.encode(record | {"received_at": self.now}) for record in self._held.values()]

    def _hits(self, record: Record, at: int) -> bool:
        fault = self._fault
        if at < fault.start or (fault.until is not None and at >= fault.until):
            return False
        if fault.operation is not None and record.get("operation") != fault.operation:
            return False
        values = (record.get(name) or UNKNOWN for name in Cohort._fields)
        return fault.covers(Cohort(*map(str, values)))

    def _changed(self, record: Record, at: int) -> list[Record]:
        fault = self._fault
        match fault.kind:
            case "latency":
                if isinstance(record.get("latency_ms"), int | float):
                    record["latency_ms"] = round(record["latency_ms"] * fault.size, 1)
            case "failure" | "denial" | "timeout":
                if record.get("outcome") == "ok" and self._drawn(record):
                    record["outcome"] = _BAD[fault.kind]
            case "retry":
                if record.get("retries") == 0 and self._drawn(record):
                    record["retries"] = 1
            case "out_of_order":
                return self._reordered(record, at)
            case "duplicate":
                if self._drawn(record):
                    return [record, record]
            case "gap":
                if self._drawn(record):
                    return []
            case "volume":
                return [record] if self._lot(record) < fault.size else []
            case "silence":
                return []
            case "delay":
                record["received_at"] = at + round(fault.size)
            case _:
                msg = f"{fault.kind} cannot be done to recorded records"
                raise ValueError(msg)
        return [record]

    def _reordered(self, record: Record, at: int) -> list[Record]:
        device = str(record.get("seq_scope") or record.get("session_id") or record.get("device_id") or "")
        waiting = self._held.pop(device, None)
        if waiting is not None:
            waiting["received_at"] = at
            return [record, waiting]
        if device and record.get("seq") is not None and self._drawn(record):
            self._held[device] = record
            return []
        return [record]

    def _drawn(self, record: Record) -> bool:
        return self._lot(record) < self._share

    def _lot(self, record: Record) -> float:
        """0 to 1, the same for the same record."""
        return zlib.crc32(f"{self._seed} {self._fault.kind} {record.get('event_id')}".encode()) / _WHOLE
