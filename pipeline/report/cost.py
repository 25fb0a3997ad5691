"""What an incident cost, in devices and time, by the evidence that `replay --evidence` writes.

A unit of evidence is a device-minute: what one device reported of one operation in one minute. Of a share, what was
lost are the device-minutes that hit beyond those expected; of a latency or delay, every device-minute took longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from pipeline.messages import Incident, Signal
from pipeline.report.words import HOUR_MS, change, duration, figure, signal_name


class Cell(msgspec.Struct, frozen=True):
    """One channel of an evidence line. x: hits, or the sum of log deviations; expected is its mean."""

    operation: str
    signal: str
    kind: str
    n: float
    x: float
    expected: float | None


class EvidenceLine(msgspec.Struct, frozen=True):
    """One cohort and minute, as `pipeline.replay.evidence_lines` writes it."""

    operator: str
    device_class: str
    firmware: str
    environment: str
    minute: int
    aside: bool
    signals: list[Cell]


_DECODER = msgspec.json.Decoder(EvidenceLine)


def decode(line: bytes) -> EvidenceLine:
    """Raises msgspec.MsgspecError (a ValueError) for anything else."""
    return _DECODER.decode(line)


@dataclass(slots=True)
class Tally:
    """units: device-minutes whose expectation was known. beyond: hits, or log deviations, beyond those expected."""

    units: float = 0.0
    beyond: float = 0.0
    expected: float = 0.0

    def add(self, cell: Cell) -> None:
        if cell.expected is not None:
            self.units += cell.n
            self.expected += cell.n * cell.expected
            self.beyond += cell.x - cell.n * cell.expected


@dataclass(slots=True)
class Cost:
    """Of one incident: what each of its signals came to while it lasted, and in the last hour before it was over."""

    signals: list[Signal]
    lasted_ms: int
    during: list[Tally] = field(default_factory=list)
    at_end: list[Tally] = field(default_factory=list)

    def sentences(self) -> list[str]:
        out = []
        for signal, tally in zip(self.signals, self.during, strict=True):
            if tally.units <= 0:
                continue
            name, units = signal_name(signal), f"{tally.units:,.0f} device-minutes"
            if _is_shift(signal):
                ratio = change(math.exp(tally.beyond / tally.units))
                out.append(
                    f"{name}: {units} in its scope in {duration(self.lasted_ms)}, each {ratio} of what was expected"
                )
            else:
                out.append(
                    f"{name}: {figure(max(tally.beyond, 0.0))} device-minutes beyond the {figure(tally.expected)} "
                    f"expected, of {units} in its scope in {duration(self.lasted_ms)}"
                )
        return out

    def back(self) -> list[str]:
        """How far the signals were from what was expected in the last hour."""
        out = []
        for signal, tally in zip(self.signals, self.at_end, strict=True):
            if tally.units <= 0:
                continue
            if _is_shift(signal):
                said = f"{change(math.exp(tally.beyond / tally.units))} against what was expected"
            else:
                said = f"{figure(tally.expected + tally.beyond)} device-minutes, {figure(tally.expected)} expected"
            out.append(f"In its last hour {signal_name(signal)}: {said}.")
        return out


def cost(incident: Incident, end: int, lines: Iterable[EvidenceLine]) -> Cost:
    """end: ms, when it was over, or the newest that is known of it. What was set aside counts as well: bad telemetry is
    no reason to say that nobody was affected."""
    # A tail is counted beyond its cut, which is a channel of its own that no person asks for.
    signals = [one for one in incident.signals if (one.quantile or 0.0) <= 0.5 and one.signal != "volume"]
    out = Cost(signals, end - incident.onset_at, [Tally() for _ in signals], [Tally() for _ in signals])
    for line in lines:
        if not incident.onset_at <= line.minute < end:
            continue
        if any(getattr(line, name, value) != value for name, value in incident.scope.items()):
            continue
        for number, signal in enumerate(signals):
            for cell in line.signals:
                if cell.signal == signal.signal and signal.operation in ("*", cell.operation):
                    out.during[number].add(cell)
                    if line.minute >= end - HOUR_MS:
                        out.at_end[number].add(cell)
    return out


def without_evidence(incident: Incident, end: int) -> str:
    """What can be said by the record alone."""
    lasted = end - incident.onset_at
    if incident.affected is None:
        return f"It lasted {duration(lasted)}; how many devices were affected, the record does not say."
    hours = incident.affected * lasted / HOUR_MS
    return (
        f"{incident.affected} cohorts for {duration(lasted)}: {figure(hours)} cohort-hours. "
        "Devices are counted only with --evidence."
    )


def _is_shift(signal: Signal) -> bool:
    return signal.signal in ("latency", "delay")
