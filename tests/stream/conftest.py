"""The same tests on the broker inside the process and on Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.stream.embedded import EmbeddedBroker
from tests.stream.live import Live


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """A deployment with its topics made, on each kind of broker."""
    if request.param == "kafka":
        deployment = Live(request.getfixturevalue("kafka"))
        deployment.create()
        yield deployment
    else:
        with EmbeddedBroker() as broker:
            # It lets nobody join before the session of who has left is over; joining alone takes it three seconds.
            deployment = Live(broker.bootstrap, session_s=4.0)
            deployment.touch()
            yield deployment
