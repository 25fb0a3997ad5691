"""The yardstick (e): Bytewax counts each cohort's minute. python bytewax_windows.py BOOTSTRAP TOPIC EVENTS

One process, state in memory, no recovery store; folds that need no order, so that none is made.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from statistics_of_a_minute import add, empty, merged, name_of

from tests.bench.meter import Meter


class Nowhere(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        pass


class NowhereSink(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> Nowhere:
        return Nowhere()


def main(bootstrap: str, topic: str, events: int) -> None:
    meter, seen = Meter(), 0

    def decoded(messages: list[Any]) -> list[tuple[str, dict[str, Any]]]:
        nonlocal seen
        seen += len(messages)
        meter.saw(seen)
        found = [orjson.loads(message.value) for message in messages]
        return [(name_of(event), event) for event in found]

    flow = Dataflow("bench")
    source = KafkaSource([bootstrap], [topic], tail=False, batch_size=10_000)
    clock = EventClock(at, wait_for_system_duration=timedelta(minutes=1))
    minutes = TumblingWindower(length=timedelta(minutes=1), align_to=datetime(2020, 1, 1, tzinfo=UTC))
    keyed = op.flat_map_batch("decode", op.input("kafka", flow, source), decoded)
    counted = fold_window("count", keyed, clock, minutes, empty, add, merged, ordered=False)
    op.output("out", counted.down, NowhereSink())
    run_main(flow)
    # It reads to the end of the topic, so that the last windows are closed and all are counted.
    assert seen >= events
    meter.report(seen)


def at(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["received_at"] / 1_000, UTC)


if __name__ == "__main__":
    _, where, name, wanted = sys.argv
    main(where, name, int(wanted))
