"""Who does what with which topic: the four stages put on their partitions."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from faust.types import TP

from pipeline.codec import Message
from pipeline.detect.baseline import Baseline
from pipeline.detect.pattern import Pattern
from pipeline.ingest import Ingest, Limits
from pipeline.intent import Intent
from pipeline.messages import Change, Incident
from pipeline.metrics import Metrics
from pipeline.operators import adapter_of
from pipeline.operators.gate import RejectGate
from pipeline.stream.agents.holding import Holding
from pipeline.stream.agents.ingest import IngestHolding
from pipeline.stream.agents.relay import RelayHolding
from pipeline.stream.agents.route import RouteHolding, Sink
from pipeline.stream.agents.stage import Address, StageHolding
from pipeline.stream.agents.unused import UnusedHolding
from pipeline.stream.app import Work
from pipeline.stream.broker import Broker
from pipeline.stream.meters import IngestMeter, StageMeter
from pipeline.stream.names import EVIDENCE_PARTITION, Names, source_of
from pipeline.stream.settings import Settings


def topics_needed(settings: Settings) -> list[str]:
    """Every topic that a worker with these settings reads or writes, inputs first."""
    names = Names(settings.prefix)
    own = [names.windows, names.evidence, names.incidents, names.rejects, names.baseline_state, names.pattern_state]
    return [*settings.inputs, *own, names.changes]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the stages work for, and whom they tell.

    sinks: makes those of one partition of the incidents topic. watch: shown all that pattern takes.
    """

    intent: Intent
    metrics: Metrics
    sinks: Callable[[], Sequence[Sink]]
    watch: Callable[[Message], None]


REMEMBERED_IDS: Final = 4_000_000
REMEMBERED_NAMES: Final = 2_000_000
"""Over all input partitions together, because one worker may have them all: up to 32 bytes an id and 120 a name. Half
of the ids is always remembered, which is more than what is read back at a start unless told otherwise."""


def limits_of(partitions: int) -> Limits:
    """What ingest keeps of one partition of so many; the same on every worker, as windows depend on it."""
    whole = Limits()
    return replace(
        whole,
        event_ids=min(whole.event_ids, max(REMEMBERED_IDS // partitions, 1)),
        names=min(whole.names, max(REMEMBERED_NAMES // partitions, 1)),
    )


def works_of(settings: Settings, around: Surroundings, partitions: Mapping[str, int]) -> list[Work]:
    """The work of the stages that were chosen. `partitions`: how many each of the topics has."""
    names = Names(settings.prefix)
    inputs = tuple(settings.inputs)
    windows = partitions[names.windows]
    input_partitions = max(sum(partitions[topic] for topic in inputs), 1)
    limits = limits_of(input_partitions)

    def ingest(tp: TP, broker: Broker) -> Holding:
        return IngestHolding(
            tp,
            broker,
            names,
            stage=lambda: Ingest(
                source_of(tp.topic, tp.partition),
                adapter=adapter_of(settings.inputs[tp.topic], settings.operator(tp.topic)),
                limits=limits,
            ),
            windows=windows,
            idle_after_s=settings.idle_after_s,
            lookback=settings.lookback // input_partitions,
            meter=IngestMeter(around.metrics, source_of(tp.topic, tp.partition)),
            clock=time.monotonic,
            gate=RejectGate(settings.operator(tp.topic).rejects),
            rejects=partitions[names.rejects],
        )

    def to_changes(message: Any) -> Address | None:
        return (names.changes, 0, message.change_id.encode()) if isinstance(message, Change) else None

    def baseline(tp: TP, broker: Broker) -> Holding:
        name = source_of("windows", tp.partition)
        sources = [source_of(topic, number) for topic in inputs for number in range(partitions[topic])]
        return StageHolding(
            tp,
            broker,
            name=name,
            sources=sources,
            may_change=True,
            stage=lambda: Baseline(sources, name=name, thresholds=around.intent.thresholds),
            state=TP(names.baseline_state, tp.partition),
            address=lambda _: (names.evidence, EVIDENCE_PARTITION, name.encode()),
            also=to_changes,
            checkpoint_s=settings.checkpoint_s,
            stagger=_stagger(name),
            meter=StageMeter(around.metrics, "baseline", source_of(tp.topic, tp.partition), time.time),
            clock=time.monotonic,
        )

    def to_incidents(message: Incident) -> Address:
        return names.incidents, None, message.incident_id.encode()

    def pattern(tp: TP, broker: Broker) -> Holding:
        if tp.partition != EVIDENCE_PARTITION:
            return UnusedHolding(tp, broker)
        name = source_of("evidence", tp.partition)
        sources = [source_of("windows", number) for number in range(windows)]
        return StageHolding(
            tp,
            broker,
            name=name,
            sources=sources,
            may_change=False,
            stage=lambda: Pattern(sources, around.intent),
            state=TP(names.pattern_state, 0),
            address=to_incidents,
            checkpoint_s=settings.checkpoint_s,
            stagger=_stagger(name),
            meter=StageMeter(around.metrics, "pattern", source_of(tp.topic, tp.partition), time.time),
            clock=time.monotonic,
            watch=around.watch,
        )

    def relay(tp: TP, broker: Broker) -> Holding:
        return RelayHolding(tp, broker, names, evidence=EVIDENCE_PARTITION, rejects=partitions[names.rejects])

    def route(tp: TP, broker: Broker) -> Holding:
        return RouteHolding(tp, broker, sinks=around.sinks())

    works = {
        "ingest": [Work("ingest", inputs, ingest)],
        "baseline": [Work("baseline", (names.windows,), baseline)],
        # What people tell of goes to pattern by way of the evidence: who does the one does the other.
        "pattern": [Work("pattern", (names.evidence,), pattern), Work("relay", (names.changes,), relay)],
        "route": [Work("route", (names.incidents,), route)],
    }
    return [work for stage in settings.stages for work in works[stage]]


def _stagger(name: str) -> float:
    """So that not all partitions of all workers write their checkpoints at once."""
    return zlib.crc32(name.encode()) / 2**32
