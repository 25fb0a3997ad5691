"""The yardsticks (a) and (b): a bare Kafka client that decodes each record with orjson, and does nothing with it.

python -m tests.bench.clients aiokafka|confluent BOOTSTRAP TOPIC PARTITIONS EVENTS
"""

from __future__ import annotations

import asyncio
import sys

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from tests.bench.meter import Meter


async def by_aiokafka(bootstrap: str, topic: str, partitions: int, events: int) -> None:
    # The same limits as a worker's client (pipeline/stream/app.py).
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20, check_crcs=False
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    meter, seen = Meter(), 0
    while seen < events:
        for records in (await consumer.getmany(timeout_ms=1_000, max_records=20_000)).values():
            for record in records:
                orjson.loads(record.value)
            seen += len(records)
        meter.saw(seen)
    meter.report(seen)
    await consumer.stop()


def by_confluent(bootstrap: str, topic: str, partitions: int, events: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "max.partition.fetch.bytes": 4 << 20,
        }
    )
    consumer.assign([Place(topic, number, 0) for number in range(partitions)])
    meter, seen = Meter(), 0
    while seen < events:
        messages = consumer.consume(10_000, 1.0)
        for message in messages:
            value = message.value()
            if value is not None:
                orjson.loads(value)
        seen += len(messages)
        meter.saw(seen)
    meter.report(seen)
    consumer.close()


if __name__ == "__main__":
    _, client, where, name, number, wanted = sys.argv
    if client == "aiokafka":
        asyncio.run(by_aiokafka(where, name, int(number), int(wanted)))
    else:
        by_confluent(where, name, int(number), int(wanted))
