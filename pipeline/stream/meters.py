"""What the work on partitions adds to the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.messages import Reject, Tick, Windows
from pipeline.metrics import Metrics


class Judging(Protocol):
    """What a pattern stage says of its last judgement; see `pipeline.detect.pattern`."""

    @property
    def evidence(self) -> float: ...

    @property
    def has_judged(self) -> bool: ...


def spent(metrics: Metrics, stage: str, seconds: float) -> None:
    """A step of a stage took so long."""
    metrics.stage_seconds.add(seconds, stage)
    metrics.step_seconds.observe(seconds, stage)


class IngestMeter:
    """Of one input partition. What is only recalled after a start is not counted."""

    def __init__(self, metrics: Metrics, source: str) -> None:
        self._metrics = metrics
        self._source = source

    def fed(self, records: int, unknown_fields: int, shortened: int, seconds: float) -> None:
        """A batch was taken. shortened: times that ids were forgotten early meanwhile."""
        self._metrics.records_read.add(records, self._source)
        self._metrics.unknown_fields.add(unknown_fields)
        self._metrics.ids_shortened.add(shortened, self._source)
        spent(self._metrics, "ingest", seconds)

    def stopped(self) -> None:
        """The intake has stopped, as too much was refused."""
        self._metrics.intake_stopped.set(1.0, self._source)

    def said(self, message: Windows | Tick | Reject) -> None:
        metrics = self._metrics
        if isinstance(message, Reject):
            metrics.records_rejected.add(1, message.reason)
        elif isinstance(message, Windows):
            metrics.windows_emitted.add(len(message.cohorts), self._source)
            metrics.records_accepted.add(sum(cohort.records for cohort in message.cohorts), self._source)
            metrics.records_duplicate.add(sum(cohort.duplicates for cohort in message.cohorts), self._source)
            metrics.arrival_clock.set(message.minute / 1000, self._source)

    def gone(self) -> None:
        """The partition is another worker's, which exports its gauges now."""
        self._metrics.arrival_clock.drop(self._source)


class StageMeter:
    """Of one partition of baseline or pattern. `now`: seconds since the epoch."""

    def __init__(self, metrics: Metrics, stage: str, source: str, now: Callable[[], float]) -> None:
        self._metrics = metrics
        self._stage = stage
        self._source = source
        self._now = now

    def fed(self, seconds: float, behind: int) -> None:
        spent(self._metrics, self._stage, seconds)
        self._metrics.checkpoint_behind.set(behind, self._source)

    def kept(self, size: int) -> None:
        """A checkpoint was written or read back."""
        self._metrics.checkpoint_at.set(self._now(), self._source)
        self._metrics.checkpoint_bytes.set(size, self._source)
        self._metrics.checkpoint_behind.set(0, self._source)

    def gone(self) -> None:
        """The partition is another worker's, which exports its gauges now."""
        for gauge in (self._metrics.checkpoint_at, self._metrics.checkpoint_bytes, self._metrics.checkpoint_behind):
            gauge.drop(self._source)


class PatternMeter(StageMeter):
    """Of the partition of pattern: also how near its last judgement came to the threshold."""

    def __init__(self, metrics: Metrics, source: str, now: Callable[[], float]) -> None:
        super().__init__(metrics, "pattern", source, now)
        self._judging: Judging | None = None

    def watch(self, stage: Judging) -> None:
        """From now on this stage; a reload of the intent makes another."""
        self._judging = stage

    def fed(self, seconds: float, behind: int) -> None:
        super().fed(seconds, behind)
        if self._judging is not None and self._judging.has_judged:
            self._metrics.evidence.set(self._judging.evidence)

    def gone(self) -> None:
        super().gone()
        self._metrics.evidence.drop()


class RouteMeter:
    """Of the route stage."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def fed(self, seconds: float) -> None:
        """An incident was handed to every sink."""
        spent(self._metrics, "route", seconds)
