"""The yardstick (d): Quix Streams counts each cohort's minute. python quix_windows.py BOOTSTRAP TOPIC EVENTS

Observations are keyed by device, cohorts are not: `group_by` brings them together, by way of a topic, as its
documentation says. One window a cohort and minute, its state a dictionary that is counted on with each event.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from typing import Any

from quixstreams import Application
from statistics_of_a_minute import add, empty, name_of

from tests.bench.meter import Meter


def main(bootstrap: str, topic: str, events: int) -> None:
    meter, seen = Meter(), 0
    with tempfile.TemporaryDirectory() as state:

        def processed(name: str, _partition: int, _offset: int) -> None:
            nonlocal seen
            if name != topic:
                # It has come back through the topic of its group, and is counted.
                seen += 1
                meter.saw(seen)
                if seen == events:
                    meter.report(seen)
                    app.stop()

        app = Application(
            broker_address=bootstrap,
            consumer_group=f"bench-{uuid.uuid4().hex[:8]}",
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel="ERROR",
            on_message_processed=processed,
        )
        frame = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
        frame = frame.group_by(name_of, name="cohort", key_serializer="str", key_deserializer="str")
        frame = (
            frame.tumbling_window(duration_ms=60_000, grace_ms=60_000).reduce(reducer=add, initializer=first).final()
        )
        app.run()


def first(event: dict[str, Any]) -> dict[str, Any]:
    return add(empty(), event)


if __name__ == "__main__":
    _, where, name, wanted = sys.argv
    main(where, name, int(wanted))
