"""The signed webhook, against a receiver of the test's."""

from __future__ import annotations

import asyncio
import doctest
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec import decode, encode
from pipeline.messages import Incident, LedgerEntry, Signal
from pipeline.metrics import Metrics
from pipeline.sinks import HttpAccess, Patience, Webhook, signing
from pipeline.sinks.signing import HEADER, sign, verify
from pipeline.sinks.webhook import KEY_HEADER, LARGEST, body_of, key_of
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.incidents import FIRING, incident

SECRET = b"sixteen and more characters"
NOW = 1_767_225_700.5
QUICK = Patience(timeout_s=30.0, first_pause_s=0.001, longest_pause_s=0.01, refusals=3)


@dataclass
class Receiver:
    """Answers with the statuses it is given, one a request, and then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, text="as you say", headers={"Location": "/elsewhere"})

    @property
    def keys(self) -> list[str]:
        return [headers[KEY_HEADER] for headers, _ in self.requests]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/hook", receiver.take)
    app.router.add_post("/elsewhere", receiver.take)
    async with serving(app) as url:
        receiver.url = f"{url}/hook"
        yield receiver


@pytest.fixture
async def webhook(receiver: Receiver, metrics: Metrics) -> AsyncIterator[Webhook]:
    page = "https://seamwatch.example"
    made = Webhook(receiver.url, SECRET, metrics=metrics, now=lambda: NOW, page=page, patience=QUICK)
    yield made
    await made.close()


async def test_a_change_comes_whole_with_its_words_a_key_and_a_signature(receiver: Receiver, webhook: Webhook) -> None:
    await webhook.deliver(FIRING, encode(FIRING))
    ((headers, body),) = receiver.requests
    told = msgspec.json.decode(body)
    assert decode(msgspec.json.encode(told["incident"])) == FIRING
    assert told["version"] == 1
    assert told["key"] == headers[KEY_HEADER] == key_of(FIRING, encode(FIRING))
    assert told["message"]["title"].startswith("PAGE Operator nordcast")
    assert told["message"]["link"] == f"https://seamwatch.example/incidents/{FIRING.incident_id}"
    assert headers["Content-Type"] == "application/json"
    assert verify(SECRET, headers[HEADER], body, NOW)


@pytest.mark.parametrize("status", [301, 401, 404, 408, 429, 500, 503])
async def test_a_receiver_that_is_not_as_it_should_be_is_tried_until_it_is(
    receiver: Receiver, webhook: Webhook, metrics: Metrics, status: int
) -> None:
    receiver.statuses = [status] * 7
    await webhook.deliver(FIRING, encode(FIRING))
    assert len(receiver.requests) == 8
    assert len(set(receiver.keys)) == 1
    assert metrics.sink_failures.value("webhook") == 7
    assert metrics.sink_retries.value("webhook") == 7
    assert metrics.sink_sends.value("webhook") == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_record_that_is_refused_as_such_is_set_aside_after_some_tries_and_the_next_one_comes(
    receiver: Receiver, webhook: Webhook, metrics: Metrics, status: int
) -> None:
    receiver.statuses = [503, status, 503, status, status]
    await webhook.deliver(FIRING, encode(FIRING))
    later = incident(at=FIRING.at + 1)
    await webhook.deliver(later, encode(later))
    assert receiver.keys == [key_of(FIRING, encode(FIRING))] * 5 + [key_of(later, encode(later))]
    assert metrics.sink_sends.value("webhook") == 1


async def test_nobody_at_the_address_is_waited_for(metrics: Metrics, receiver: Receiver) -> None:
    async with serving(web.Application()) as url:
        pass
    webhook = Webhook(f"{url}/hook", SECRET, metrics=metrics, now=lambda: NOW, patience=QUICK)
    delivering = asyncio.create_task(webhook.deliver(FIRING, encode(FIRING)))

    async def failed() -> bool:
        return (metrics.sink_failures.value("webhook") or 0) >= 3

    await until_async(failed, within=60, what="three tries")
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    await webhook.close()


async def test_what_waits_is_counted_over_all_partitions_and_let_go_of(metrics: Metrics) -> None:
    one, other = (Webhook("http://x", SECRET, metrics=metrics, now=lambda: NOW) for _ in range(2))
    one.waiting(3)
    other.waiting(2)
    one.waiting(1)
    assert metrics.sink_pending.value("webhook") == 3
    await one.close()
    assert metrics.sink_pending.value("webhook") == 2


async def test_neither_the_secret_nor_a_token_is_in_the_log_or_in_any_text(
    receiver: Receiver, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.statuses = [500, 400, 400, 400]
    access = HttpAccess(authorization=lambda: "Bearer token-of-the-test")
    webhook = Webhook(receiver.url, SECRET, metrics=metrics, now=lambda: NOW, access=access, patience=QUICK)
    await webhook.deliver(FIRING, encode(FIRING))
    await webhook.close()
    assert "is set aside" in caplog.text
    for text in (caplog.text, repr(webhook)):
        assert SECRET.decode() not in text
        assert "token-of-the-test" not in text


def test_the_same_record_has_the_same_key_and_another_has_another() -> None:
    assert key_of(FIRING, encode(FIRING)) == "5d2f0a9c11e84b07-1767225600000-" + key_of(FIRING, encode(FIRING))[-12:]
    changed = incident(summary="Other.")
    assert key_of(changed, encode(changed)) != key_of(FIRING, encode(FIRING))


def test_a_signature_fits_one_body_one_secret_and_one_time() -> None:
    header = sign(SECRET, 1_000_000, b"body")
    assert verify(SECRET, header, b"body", 1_000_299.0)
    assert not verify(SECRET, header, b"body!", 1_000_000.0)
    assert not verify(b"another secret of the test", header, b"body", 1_000_000.0)
    assert not verify(SECRET, header, b"body", 1_000_301.0)
    assert not verify(SECRET, header, b"body", 999_699.0)
    assert not verify(SECRET, header.replace("t=1000000", "t=1000001"), b"body", 1_000_000.0)


def test_the_example_of_the_documentation_holds() -> None:
    assert doctest.testmod(signing) == (0, 1)


@pytest.mark.parametrize("header", ["", "t=", "v1=", "t=x,v1=y", "t=1000000", "nonsense", "t=²,v1=é", "=,=,="])
def test_what_is_no_signature_is_none(header: str) -> None:
    assert not verify(SECRET, header, b"body", 1_000_000.0)


@settings(max_examples=15)
@given(
    summary=st.integers(0, 900_000),
    entries=st.integers(0, 6_000),
    signals=st.integers(0, 2_000),
    steps=st.integers(0, 500),
)
def test_no_body_is_larger_than_promised_and_it_says_what_it_goes_without(
    summary: int, entries: int, signals: int, steps: int
) -> None:
    record: Incident = incident(
        summary="é" * summary,
        ledger=[LedgerEntry(number, number + 1, "playback_start", "latency", 0.5) for number in range(entries)],
        signals=[Signal("o", "latency", "up", 1.0, 1.0, 1.0, 1.0, "step")] * signals,
        containment=["Do this. " * 100] * steps,
    )
    body = body_of(record, "key", None)
    assert len(body) <= LARGEST
    told: dict[str, Any] = msgspec.json.decode(body)
    assert told["incident"]["incident_id"] == FIRING.incident_id
    assert told["incident"]["state"] == "firing"
    if "without" not in told:
        assert decode(msgspec.json.encode(told["incident"])) == record
    elif told["without"] == ["ledger"]:
        assert decode(msgspec.json.encode(told["incident"])) == msgspec.structs.replace(record, ledger=[])
