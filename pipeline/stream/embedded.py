"""A Kafka broker inside this process: librdkafka's own test cluster, over loopback TCP.

For the demo and fast tests: it keeps about 5 MB a partition, forgets all when it ends, never compacts, and knows no
CreateTopics: a topic appears with four partitions when it is first named. Anything about durability is tested on Apache
Kafka.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from confluent_kafka import Producer

PARTITIONS: Final = 4
"""Of every topic; the cluster cannot be told otherwise from Python."""

_ANSWER_S: Final = 10.0


class EmbeddedBroker:
    """Lives from construction to `stop`, or for a `with`.

    Its threads are librdkafka's own, in C: they neither need nor hold Python's interpreter lock.
    """

    def __init__(self, brokers: int = 1) -> None:
        # Whoever has a client with this setting has the cluster; any client will do, and it is never used as one.
        self._owner: Producer | None = Producer({"test.mock.num.brokers": brokers, "log_level": 0})
        found = self._owner.list_topics(timeout=_ANSWER_S).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in found)
        """Addresses, as Kafka's clients take them."""

    def stop(self) -> None:
        # The cluster ends with its client, whose destructor waits for its threads.
        self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
