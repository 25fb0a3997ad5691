"""Apache Kafka without Docker: the official broker's jars from Maven Central, run as KRaft nodes on loopback.

`python -m tests.integration.kafka_cluster` (make kafka) runs one in the foreground for a person.
"""

import argparse
import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Protocol, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.integration.ports import LOOPBACK, free_port, is_free
from tests.integration.program import Program
from tests.integration.waiting import until

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "deploy/kafka/pom.xml"
LOG_CONFIG = ROOT / "deploy/kafka/log4j2.properties"
OLDEST_JAVA = 17

_READY_S = 90.0
# Small heap, one collector thread and no optimising compiler: a test broker lives for minutes and shares its cores.
_JVM = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")


def missing() -> str | None:
    """Why no broker can be had on this machine; None when one can."""
    found = shutil.which("java")
    if found is None:
        return "no java on the PATH"
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return f"Kafka needs Java {OLDEST_JAVA} or newer; `java -version` says {said.splitlines()[:1]}"
    if not _jars().exists() and shutil.which("mvn") is None:
        return "no mvn on the PATH to bring Kafka's jars"
    return None


def fetch_jars() -> Path:
    """The folder of the broker's jars, brought by Maven when this pom's are not there yet."""
    jars = _jars()
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Two Mavens at once spoil their shared repository, and test workers come here together.
    with (jars.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.exists():
            return jars
        with tempfile.TemporaryDirectory(dir=jars.parent) as half_done:
            argv = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
            brought = subprocess.run(
                [*argv, f"-DoutputDirectory={half_done}/jars"], capture_output=True, text=True, check=False
            )
            if brought.returncode != 0:
                message = f"Maven could not bring Kafka's jars ({POM}):\n{brought.stdout}{brought.stderr}"
                raise RuntimeError(message)
            os.rename(f"{half_done}/jars", jars)
    return jars


def _jars() -> Path:
    # Named after the pom's content, so that a new version is brought and an old one never used by mistake.
    return ROOT / "build" / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Broker:
    """One node, broker and controller at once, with its folder, ports and process."""

    node_id: int
    port: int
    controller_port: int
    directory_id: str
    home: Path
    program: Program
    further: Mapping[str, int]
    """Ports of further listeners, by name."""

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"


class StartCluster(Protocol):
    """What the fixture `kafka_clusters` gives: starts a cluster that ends with the test."""

    def __call__(self, *, size: int = 1, properties: Mapping[str, str] | None = None) -> "KafkaCluster": ...


class KafkaCluster:
    """`size` nodes with a quorum of their own; topics get as many replicas, and survive the loss of a minority.

    `properties` are added to each node's server.properties, and win over what stands there. `listeners` are
    further ones with their protocol, such as `{"SECURE": "SASL_SSL"}`; what they need stands in the properties. Use it
    in a `with`, or call `start` and `stop`; a member is stopped, killed and started again through `broker(n)` and
    `restart(n)`.
    """

    def __init__(
        self,
        home: Path,
        *,
        size: int = 1,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
    ) -> None:
        self._home = home
        self._properties = dict(properties or {})
        self._listeners = dict(listeners or {})
        self._cluster_id = _random_id()
        jars = fetch_jars()
        first_port = free_port() if port is None else port
        self._brokers = tuple(
            _new_broker(home, node_id, first_port if node_id == 1 else free_port(), jars, self._listeners)
            for node_id in range(1, size + 1)
        )

    @property
    def bootstrap(self) -> str:
        """Addresses of all members, as Kafka's clients take them."""
        return ",".join(broker.address for broker in self._brokers)

    def bootstrap_of(self, listener: str) -> str:
        """As `bootstrap`, of one of the further listeners."""
        return ",".join(f"{LOOPBACK}:{broker.further[listener]}" for broker in self._brokers)

    def broker(self, node_id: int) -> Program:
        """The process of one member, to stop or kill it; members are numbered from 1."""
        return self._brokers[node_id - 1].program

    def start(self) -> None:
        for broker in self._brokers:
            self._format(broker)
        for broker in self._brokers:
            broker.program.launch()
        self.await_ready()

    def restart(self, node_id: int) -> None:
        """Starts a member that was stopped or killed, and waits until it has caught up."""
        self.broker(node_id).launch()
        self.await_ready()

    def await_ready(self) -> None:
        """Waits until every running member serves and every replica on them is in sync."""
        for broker in self._brokers:
            if broker.program.running:
                broker.program.await_ready()
        # librdkafka reports each refused connection on stderr; while a member is down those are expected.
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.timeout.ms": 5000})
        until(lambda: self._serves(admin), within=_READY_S, what=f"Kafka at {self.bootstrap} to serve")

    def stop(self) -> None:
        """Ends all members at once; their folders are the caller's to remove."""
        for broker in self._brokers:
            # Not politely: the last members would wait for a quorum that has gone, and nothing here needs saving.
            broker.program.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _format(self, broker: Broker) -> None:
        """Writes a member's configuration and its empty storage, which names the first quorum."""
        config = broker.home / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self._server_properties(broker).items()))
        controllers = ",".join(
            f"{member.node_id}@{LOOPBACK}:{member.controller_port}:{member.directory_id}" for member in self._brokers
        )
        argv = java(broker.home / "format.log", fetch_jars())
        argv += [
            "kafka.tools.StorageTool",
            "format",
            "--config",
            str(config),
            "--cluster-id",
            self._cluster_id,
            "--initial-controllers",
            controllers,
        ]
        formatted = subprocess.run(argv, capture_output=True, text=True, check=False)
        if formatted.returncode != 0:
            message = f"the storage of {broker.home} could not be formatted:\n{formatted.stdout}{formatted.stderr}"
            raise RuntimeError(message)

    def _server_properties(self, broker: Broker) -> dict[str, str]:
        replicas = str(len(self._brokers))
        served = [f"CLIENT://{broker.address}"]
        served += [f"{name}://{LOOPBACK}:{port}" for name, port in broker.further.items()]
        protocols = {"CLIENT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **self._listeners}
        quorum = ",".join(f"{LOOPBACK}:{member.controller_port}" for member in self._brokers)
        return {
            "process.roles": "broker,controller",
            "node.id": str(broker.node_id),
            "controller.quorum.bootstrap.servers": quorum,
            "listeners": ",".join([*served, f"CONTROLLER://{LOOPBACK}:{broker.controller_port}"]),
            "advertised.listeners": ",".join(served),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(broker.home / "data"),
            # A topic that nobody created is a fault of the program under test, not something to paper over.
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            # Records of simulated fleets and of files are old. A broker looks every few minutes for what is past its
            # retention, and would delete them while a test reads.
            "log.retention.ms": "-1",
            "min.insync.replicas": str(len(self._brokers) // 2 + 1),
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": str(len(self._brokers) // 2 + 1),
            # 50 partitions each serve thousands of groups; a test has a few, and waits for them to be made.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            # The first member of a group need not wait for others that start with it.
            "group.initial.rebalance.delay.ms": "0",
            # A killed member cannot come back, nor its partitions move on, before its session has ended (else 9 s).
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "4",
        } | self._properties

    def _serves(self, admin: AdminClient) -> bool:
        running = {broker.node_id for broker in self._brokers if broker.program.running}
        try:
            seen = admin.list_topics(timeout=5)
        except KafkaException:
            return False
        partitions = [partition for topic in seen.topics.values() for partition in topic.partitions.values()]
        return running <= set(seen.brokers) and all(
            partition.leader in running and running.intersection(partition.replicas) <= set(partition.isrs)
            for partition in partitions
        )


def _new_broker(home: Path, node_id: int, port: int, jars: Path, listeners: Iterable[str]) -> Broker:
    own = home / f"node-{node_id}"
    own.mkdir(parents=True)
    argv = [*java(own / "server.log", jars), "kafka.Kafka", str(own / "server.properties")]
    program = Program(argv, log=own / "server.log", ready=lambda: not is_free(port))
    further = {name: free_port() for name in listeners}
    return Broker(node_id, port, free_port(), _random_id(), own, program, further)


def java(log: Path, jars: Path) -> list[str]:
    """The start of a command that runs a class of the broker's jars, up to the name of that class."""
    logging = (f"-Dlog4j2.configurationFile={LOG_CONFIG}", f"-Dkafka.log={log}")
    return ["java", *_JVM, *logging, "-cp", f"{jars}/*"]


def _random_id() -> str:
    """A Kafka uuid: 16 bytes in base64 for URLs. One that starts with a dash would look like an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    """Runs a cluster in the foreground until Ctrl-C; what is in it is gone then."""
    parser = argparse.ArgumentParser(prog="make kafka", description=main.__doc__)
    parser.add_argument("--brokers", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--port", type=int, default=9092, help="of the first broker (default: 9092)")
    arguments = parser.parse_args()
    # Both leave through the `with` below, at whatever point they come.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    reason = missing()
    if reason is not None:
        sys.exit(f"no Kafka: {reason}")
    if not is_free(arguments.port):
        sys.exit(f"port {arguments.port} is taken; choose another: make kafka ARGS='--port 19092'")
    with (
        tempfile.TemporaryDirectory(prefix="seamwatch-kafka-") as home,
        KafkaCluster(Path(home), size=arguments.brokers, port=arguments.port) as cluster,
    ):
        print(f"Kafka serves at {cluster.bootstrap}; its log is {home}/node-1/server.log; Ctrl-C ends it", flush=True)
        cluster.broker(1).wait()
        sys.exit(f"Kafka ended by itself:\n{cluster.broker(1).tail()}")


if __name__ == "__main__":
    main()
