"""Messages on their way: a slow broker is waited for, and what it refuses is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import pytest
from aiokafka.errors import MessageSizeTooLargeError  # type: ignore[import-untyped]

from pipeline.stream.broker import MOST_PENDING, Broker, Delivered, Header, Outbox, UndeliveredError


class SlowBroker:
    """Takes every message and confirms none, until it is told how it went."""

    def __init__(self) -> None:
        self.pending: list[asyncio.Future[Any]] = []

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header]
    ) -> Awaitable[Delivered]:
        self.pending.append(asyncio.get_running_loop().create_future())
        return self.pending[-1]


async def test_what_is_sent_to_a_slow_broker_is_bounded() -> None:
    broker = SlowBroker()
    outbox = Outbox(cast(Broker, broker))

    async def send_on() -> None:
        while True:
            await outbox.send("t", 0, None, b"x")

    sending = asyncio.create_task(send_on())
    for _ in range(3):
        await asyncio.sleep(0.05)
        assert len(broker.pending) == MOST_PENDING
    for delivery in broker.pending:
        delivery.set_result(None)
    await asyncio.sleep(0.05)
    assert len(broker.pending) == 2 * MOST_PENDING
    sending.cancel()


async def test_a_message_that_is_refused_is_named_by_its_topic() -> None:
    broker = SlowBroker()
    outbox = Outbox(cast(Broker, broker))
    for topic in ("good", "bad", "good"):
        await outbox.send(topic, 0, None, b"x")
    broker.pending[0].set_result(None)
    broker.pending[1].set_exception(MessageSizeTooLargeError("too large"))
    broker.pending[2].set_result(None)
    with pytest.raises(UndeliveredError, match="a message to bad was not delivered: MessageSizeTooLargeError: "):
        await outbox.delivered()
