"""`seamwatch worker` as a process: how it begins, how it says what is wrong, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.integration.ports import free_port
from tests.integration.waiting import until
from tests.stream.live import Live, fleet, in_earnest

DRAIN_S = 10.0
PARTITIONS = 4 + 4 + 1 + 4 + 1
"""Of inputs, windows, evidence, incidents and changes: what there is to work on."""


class Process:
    """A worker; what it says is in `log`."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", "worker", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={name: value for name, value in os.environ.items() if not name.startswith("SEAMWATCH_")},
            )

    def said(self) -> str:
        return self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self, within: float = 60.0) -> int:
        return self._process.wait(within)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers that do not outlive the test."""
    started: list[Process] = []

    def start(*arguments: str) -> Process:
        process = Process(list(arguments), tmp_path / f"worker-{len(started)}.log")
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def kafka_live(kafka: str) -> Live:
    live = Live(kafka)
    live.create()
    return live


def arguments(live: Live) -> list[str]:
    return [
        *("--brokers", live.bootstrap, "--input", live.input, "--prefix", live.names.prefix, "--group", live.input),
        *("--web", "off", "--session", "6", "--checkpoint", "1"),
    ]


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_without_a_broker_it_says_so_and_tries_again_until_it_is_ended(start: Start) -> None:
    port = free_port()
    worker = start("--brokers", f"127.0.0.1:{port}", "--input", "in", "--web", "off")
    until(lambda: worker.said().count("trying again in") >= 2, within=90, what="a second try")
    worker.signal(signal.SIGTERM)
    assert worker.ended(DRAIN_S + 15) == 0
    first, *_ = worker.said().splitlines()
    assert first.startswith(f"seamwatch worker: no answer from 127.0.0.1:{port}: ")
    assert "Traceback" not in worker.said()


def test_health_is_served_while_there_is_no_broker(start: Start) -> None:
    page = free_port()
    start("--brokers", f"127.0.0.1:{free_port()}", "--input", "in", "--web", f"127.0.0.1:{page}")
    until(lambda: answer(f"http://127.0.0.1:{page}/healthz")[0] == 200, within=60, what="/healthz")
    status, why = answer(f"http://127.0.0.1:{page}/readyz")
    assert status == 503
    assert "broker" in why


def test_a_configuration_that_cannot_be_used_ends_the_start_with_its_place(start: Start, tmp_path: Path) -> None:
    (tmp_path / "worker.yaml").write_text("version: 1\nbrokers: kafka\ninputs: {in: canonical}\n")
    worker = start("--config", str(tmp_path))
    assert worker.ended() == 2
    assert f"{tmp_path}/worker.yaml:2: 'kafka' is no HOST:PORT" in worker.said()
    assert "Traceback" not in worker.said()


def test_a_hangup_has_it_read_its_configuration_again_and_a_fault_does_not_end_it(start: Start, tmp_path: Path) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text("version: 1\nservices:\n  a: {operations: [stall], priority: degradable}\n")
    brokers = f"127.0.0.1:{free_port()}"
    worker = start("--config", str(tmp_path), "--brokers", brokers, "--input", "in", "--web", "off")
    until(lambda: "trying again in" in worker.said(), within=90, what="the first try")
    worker.signal(signal.SIGHUP)
    until(lambda: f"seamwatch worker: read {tmp_path} again: intent " in worker.said(), within=60, what="a reload")
    intent.write_text("version: 2\nservices: {}\n")
    worker.signal(signal.SIGHUP)
    until(lambda: "the intent stays as it was" in worker.said(), within=60, what="a refusal")
    assert f"seamwatch worker: {intent}:1: version is 2; write 'version: 1'" in worker.said()
    assert f"seamwatch worker: {intent}:2: services is missing or empty" in worker.said()
    worker.signal(signal.SIGTERM)
    assert worker.ended(DRAIN_S + 15) == 0


def test_a_page_that_cannot_be_served_ends_the_start(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start("--brokers", "127.0.0.1:1", "--input", "in", "--web", f"127.0.0.1:{port}")
        assert worker.ended() == 2
    assert f"the page cannot be served at 127.0.0.1:{port}" in worker.said()


def test_topics_that_do_not_exist_end_the_start_and_are_named(start: Start, kafka: str) -> None:
    worker = start("--brokers", kafka, "--input", "no-such-input", "--prefix", "no-such.", "--web", "off")
    assert worker.ended() == 1
    assert "no such topic: no-such-input, no-such.windows" in worker.said()
    assert "seamwatch topics --create" in worker.said()


def test_a_worker_that_is_asked_to_end_drains_in_time_and_has_committed(start: Start, kafka_live: Live) -> None:
    kafka_live.write(fleet(30))
    worker = start(*arguments(kafka_live))
    until(lambda: len(kafka_live.read(kafka_live.names.windows)) > 0, within=60, what="windows")
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.ended(DRAIN_S + 15) == 0
    assert time.monotonic() - began < DRAIN_S
    assert in_earnest(worker.said().splitlines()) == []
    assert kafka_live.committed(kafka_live.input)


def test_two_workers_share_the_partitions_and_one_alone_has_them_all(start: Start, kafka_live: Live) -> None:
    page = free_port()
    first = start(*arguments(kafka_live), "--web", f"127.0.0.1:{page}")
    metrics = f"http://127.0.0.1:{page}/metrics"
    until(lambda: "seamwatch_ready 1.0" in answer(metrics)[1], within=60, what="the first to be ready")
    second = start(*arguments(kafka_live))
    until(lambda: len(kafka_live.members()) == 2, within=60, what="the second to join")
    until(lambda: all(kafka_live.members().values()), within=60, what="both to have partitions")
    second.signal(signal.SIGTERM)
    assert second.ended(DRAIN_S + 15) == 0
    until(lambda: list(kafka_live.members().values()) == [PARTITIONS], within=60, what="all for the first")
    first.signal(signal.SIGTERM)
    assert first.ended(DRAIN_S + 15) == 0


def test_a_state_that_is_lost_ends_it_with_one_line(start: Start, kafka_live: Live) -> None:
    windows = kafka_live.names.windows
    consumer = Consumer({"bootstrap.servers": kafka_live.bootstrap, "group.id": kafka_live.group, "log_level": 0})
    consumer.commit(offsets=[TopicPartition(windows, 0, 0, "nowhere")], asynchronous=False)
    consumer.close()
    worker = start(*arguments(kafka_live))
    assert worker.ended(60) == 1
    (line,) = in_earnest(worker.said().splitlines())
    assert line.startswith("seamwatch worker: the state of windows/0 at offset 0, in ")
    assert "is lost: the commit does not say where it is" in line


def test_a_send_that_fails_ends_it_with_one_line(start: Start, kafka_live: Live) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_live.bootstrap})
    windows = kafka_live.names.windows
    entry = ConfigEntry("max.message.bytes", "100", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, windows, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(timeout=30)
    kafka_live.write(fleet(5))
    worker = start(*arguments(kafka_live))
    assert worker.ended(90) == 1
    (line,) = in_earnest(worker.said().splitlines())
    assert line.startswith(f"seamwatch worker: a message to {windows} was not delivered: MessageSizeTooLargeError")


def test_lag_is_exported_and_gauges_go_with_their_partitions(start: Start, kafka_live: Live) -> None:
    kafka_live.write(fleet(10))
    pages = [free_port(), free_port()]
    first = start(*arguments(kafka_live), "--web", f"127.0.0.1:{pages[0]}", "--idle-after", "60")

    def exported(page: int, metric: str) -> set[str]:
        """Partitions of which a worker exports a metric."""
        lines = answer(f"http://127.0.0.1:{page}/metrics")[1].splitlines()
        return {line.split('"')[1] for line in lines if line.startswith(f"{metric}{{")}

    lag, clock = "seamwatch_consumer_lag_records", "seamwatch_arrival_clock_timestamp_seconds"
    every = PARTITIONS
    until(lambda: len(exported(pages[0], lag)) == every, within=60, what="the lag of every partition")
    until(lambda: len(exported(pages[0], clock)) == 4, within=60, what="the clock of every input")
    nothing_waits = f'seamwatch_consumer_lag_records{{source="{kafka_live.input}/0"}} 0.0'
    metrics = f"http://127.0.0.1:{pages[0]}/metrics"
    until(lambda: nothing_waits in answer(metrics)[1], within=60, what="a partition of which all is read")
    start(*arguments(kafka_live), "--web", f"127.0.0.1:{pages[1]}")

    def shared() -> bool:
        mine, others = (exported(page, lag) for page in pages)
        return 0 < len(others) < every and len(mine) < every and not mine & others

    until(shared, within=120, what="each to export what it has, and the first no more of the second's")
    until(lambda: exported(pages[0], clock) <= exported(pages[0], lag), within=60, what="the clocks to go as well")
    first.signal(signal.SIGTERM)
    assert first.ended(DRAIN_S) == 0


def test_a_worker_without_work_is_ready_to_take_over(start: Start, kafka_live: Live) -> None:
    pages = [free_port(), free_port(), free_port()]
    only = ("--stages", "pattern")
    workers = [start(*arguments(kafka_live), *only, "--web", f"127.0.0.1:{page}") for page in pages]
    until(lambda: len(kafka_live.members()) == 3, within=90, what="all to join")
    for page in pages:
        until(lambda page=page: answer(f"http://127.0.0.1:{page}/readyz")[0] == 200, within=60, what="readiness")  # type: ignore[misc]

    def idle_and_whole() -> bool:
        # Of evidence and of changes there is one partition each.
        held = sorted(kafka_live.members().values())
        return len(held) == 3 and held[0] == 0 and sum(held) == 2

    until(idle_and_whole, within=60, what="one to be without work, and all of it to be done")
    for worker in workers:
        worker.signal(signal.SIGTERM)
        assert worker.ended(DRAIN_S) == 0
