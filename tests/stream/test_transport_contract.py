"""What the batch transport assumes of the insides of Faust and aiokafka, one assumption a line.

A digest is of the source of what is assumed about. When a new version changes it, this fails and says what to read;
when it still holds, put the new digest here.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords  # type: ignore[import-untyped]
from aiokafka.consumer.group_coordinator import GroupCoordinator  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from pipeline.stream.transport import BatchConsumer, BatchThread

ASSUMPTIONS: list[tuple[Callable[..., Any], str, str]] = [
    (
        Consumer._drain_messages,
        "44a2500309e8",
        "delivers what getmany yields, in its order, and drops what lies before _read_offset",
    ),
    (
        Consumer._wait_next_records,
        "6218e1969a63",
        "waits while the flow is stopped, then answers with what _getmany gave, unchanged, and the active partitions",
    ),
    (
        ThreadDelegateConsumer._getmany,
        "f9d47aa9010b",
        "hands on what the thread's getmany gave, unchanged",
    ),
    (
        AIOKafkaConsumerThread.getmany,
        "26fc5fc9f3b6",
        "calls _fetch_records in the thread, with max_records of the client",
    ),
    (
        AIOKafkaConsumerThread._fetch_records,
        "39a2c6c79fc1",
        "awaits nothing after the client's fetched_records; gives nothing while the flow is stopped",
    ),
    (
        AIOKafkaConsumerThread._create_worker_consumer,
        "c2701bfc3e6f",
        "makes the client without starting it, so that its fetch_max_wait_ms can still be set",
    ),
    (
        Fetcher.fetched_records,
        "be4348896b9b",
        "awaits nothing between taking records of a partition, which moves its position, and returning them",
    ),
    (
        FetchResult.getall,
        "3e717e30de50",
        "gives records without a hole and moves the position past them, or gives none when it was sought elsewhere",
    ),
    (
        PartitionRecords._unpack_records,
        "b803e6d46480",
        "gives what _consumer_record makes of each parsed record, and looks at nothing of it but its offset, before",
    ),
    (
        FetchResult.check_assignment,
        "b5340df67e3f",
        "refuses records that were fetched before a seek",
    ),
    (
        GroupCoordinator._do_commit_offsets,
        "c3a3ea5613f3",
        "names the generation of the group at the moment of the call, before it awaits anything",
    ),
    (
        GroupCoordinator.fetch_committed_offsets,
        "6c049c737916",
        "answers with offset and metadata, offset -1 for what was never committed",
    ),
    (
        AIOKafkaConsumer.seek,
        "a9430f1f3b9a",
        "takes effect at once, without awaiting",
    ),
    (
        Recovery._resume_streams,
        "d986a6710c1a",
        "awaits on_rebalance_complete, then perform_seek, then lets records flow, once the assignment is complete",
    ),
    (
        App._on_partitions_revoked,
        "d5c895bbe57d",
        "stops the flow, clears what is buffered, then awaits on_partitions_revoked while commits are still possible",
    ),
    (
        App.on_stop,
        "bfe5a933defb",
        "sends on_before_shutdown while consumer and producer are still alive",
    ),
    (
        Consumer.commit,
        "a354437baaa0",
        "is the only way in which Faust itself commits",
    ),
    (
        driver.Producer.send,
        "0b5bd08f52e5",
        "answers with a future that resolves when the message is delivered, and fails when it cannot be",
    ),
]


def digest(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("function", "expected", "assumption"), ASSUMPTIONS, ids=[assumption for _, _, assumption in ASSUMPTIONS]
)
def test_the_code_that_an_assumption_was_read_from_has_not_changed(
    function: Callable[..., Any], expected: str, assumption: str
) -> None:
    name = f"{function.__module__}.{function.__qualname__}"
    assert digest(function) == expected, f"{name} has changed; does it still hold that it {assumption}?"


def test_the_versions_are_those_that_were_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (BatchConsumer, driver.Consumer, "getmany"),
        (BatchConsumer, driver.Consumer, "perform_seek"),
        (BatchConsumer, driver.Consumer, "ack"),
        (BatchConsumer, driver.Consumer, "commit"),
        (BatchConsumer, driver.Consumer, "_add_gap"),
        (BatchConsumer, driver.Consumer, "_new_consumer_thread"),
        (BatchThread, AIOKafkaConsumerThread, "_fetch_records"),
        (BatchThread, AIOKafkaConsumerThread, "_create_worker_consumer"),
        (BatchThread, AIOKafkaConsumerThread, "verify_event_path"),
        (BatchThread, AIOKafkaConsumerThread, "__post_init__"),
    ],
)
def test_what_is_overridden_exists_and_takes_the_same_arguments(ours: type, theirs: type, name: str) -> None:
    def arguments(kind: type) -> list[str]:
        return list(inspect.signature(getattr(kind, name)).parameters)

    assert name in vars(ours)
    assert arguments(ours) == arguments(theirs)


def test_the_client_hands_out_records_as_its_parser_makes_them() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 16)
    builder.append(0, 1_767_571_200_000, b"key", b"value", [("name", b"text")])
    builder.append(1, 1_767_571_200_001, None, None, [])
    records = fetcher.PartitionRecords(
        TP("topic", 3), MemoryRecords(bytes(builder.build())), [], 0, None, None, True, fetcher.READ_UNCOMMITTED
    )
    found = [(it.offset, it.timestamp, it.key, it.value, list(it.headers)) for it in records]
    assert found == [
        (0, 1_767_571_200_000, b"key", b"value", [("name", b"text")]),
        (1, 1_767_571_200_001, None, None, []),
    ]
    assert records.next_fetch_offset == 2
