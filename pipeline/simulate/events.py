"""A world's records in arrival order, as canonical NDJSON or as messages for Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.observation import UNKNOWN
from pipeline.simulate.chance import stream
from pipeline.simulate.devices import Devices, draw_devices
from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.traffic import OUTCOMES, draw_attempts, draw_visits
from pipeline.simulate.transport import Reports, flaw_parts, send
from pipeline.simulate.world import World

_MOST_MINUTES: Final = 15
_MOST_RECORDS: Final = 60_000
"""Drawn at a time: enough to keep numpy busy, few enough for megabytes. Part of what a seed means."""


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """A record of the wire contract on its way out; unlike an Observation it may break the contract."""

    event_id: str
    operation: str
    operator: str
    device_class: Any
    firmware: Any = UNKNOWN
    environment: Any = UNKNOWN
    outcome: Any = UNKNOWN
    latency_ms: Any = None
    retries: Any = None
    device_id: str | None = None
    seq: int | None = None
    occurred_at: Any = None
    sent_at: int | None = None
    received_at: int | None = None
    cached: bool = False
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that arrive in one block of minutes, in arrival order."""

    records: list[Record]
    until: int
    """Epoch ms: everything that arrives before is in this batch or an earlier one."""

    def ndjson(self) -> bytes:
        return _ENCODER.encode_lines(self.records)

    def messages(self) -> Iterator[tuple[str, bytes, int]]:
        """Key, value and timestamp for Kafka."""
        for record in self.records:
            yield record.device_id or "", _ENCODER.encode(record), record.received_at or 0


_ENCODER: Final = msgspec.json.Encoder()


def simulate(world: World) -> Iterator[Batch]:
    """Every record that arrives within the world's minutes, block by block; what arrives later is not seen any more."""
    writer = _Writer(world, draw_devices(world))
    pending: Reports | None = None
    block = world.block(_MOST_MINUTES, _MOST_RECORDS)
    for first in range(0, world.minutes, block):
        # Always whole blocks, so that a longer simulation begins with the records of a shorter one.
        reports = _reports(world, writer.devices, first, block)
        pending = reports if pending is None else pending.joined(reports)
        until = min(first + block, world.minutes) * MINUTE_MS
        order = _by_arrival(pending.received)
        due = int(np.count_nonzero(pending.received < until))
        yield Batch(writer.records(pending.take(order[:due])), until=world.start_ms + until)
        pending = pending.take(order[due:])


def _by_arrival(received: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of arrival, rows of one ms as they stand: row and time in one integer, ten times as fast as argsort."""
    bits = len(received).bit_length()
    return np.sort((received << bits) + np.arange(len(received))) & ((1 << bits) - 1)


def _reports(world: World, devices: Devices, first: int, minutes: int) -> Reports:
    conditions = world.conditions(first, minutes)
    visits = draw_visits(world, conditions, stream(world.seed, "visits", first))
    attempts = draw_attempts(world, conditions, visits, stream(world.seed, "attempts", first))
    return send(world, conditions, devices, visits, attempts, stream(world.seed, "way", first))


class _Writer:
    """Turns reports into records; holds the strings that many records share."""

    def __init__(self, world: World, devices: Devices) -> None:
        self.devices = devices
        self._world = world
        # The third operator's format has no time of sending.
        self._sends_sent_at = np.arange(len(world.fleet.operators)) != 2

    def records(self, reports: Reports) -> list[Record]:
        world = self._world
        columns = zip(*(world.cohorts[cohort] for cohort in reports.cohort.tolist()), strict=True)
        operators, classes, firmwares, environments = columns if len(reports) else ((), (), (), ())
        operations = [operation.name for operation in world.fleet.operations]
        names = [f"d{device:06x}" for device in reports.device.tolist()]
        sequence = reports.seq.tolist()
        clock = world.start_ms + self.devices.skew[reports.device]
        clock[self.devices.uptime[reports.device]] -= world.start_ms
        sent = np.where(self._sends_sent_at[world.operator[reports.cohort]], clock + reports.sent, -1.0)
        records = list(
            map(
                Record,
                [f"{name}.{seq}" for name, seq in zip(names, sequence, strict=True)],
                [operations[operation] for operation in reports.operation.tolist()],
                operators,
                classes,
                firmwares,
                environments,
                [OUTCOMES[outcome] for outcome in reports.outcome.tolist()],
                np.round(reports.latency_ms, 1).tolist(),
                reports.retries.tolist(),
                names,
                sequence,
                (clock + reports.at).astype(np.int64).tolist(),
                [ms if ms >= 0 else None for ms in sent.astype(np.int64).tolist()],
                (world.start_ms + reports.received).tolist(),
                reports.cached.tolist(),
                [_ERROR_CODES[outcome] for outcome in reports.outcome.tolist()],
            )
        )
        for row in np.flatnonzero(reports.flaw).tolist():
            field, form = flaw_parts(int(reports.flaw[row]))
            setattr(records[row], field, _BAD[field] if form == "bad" else msgspec.UNSET)
        return records


_ERROR_CODES: Final = (None, "E-500", "E-403", "E-408")

_BAD: Final = {
    "latency_ms": "n/a",
    "retries": -1,
    "outcome": "fine",
    "occurred_at": "yesterday",
    "environment": "staging",
    "firmware": 7,
    "device_class": 7,
}
"""Values that the contract does not allow, of the kinds that real formats send."""
