"""The whole stream on an Apache Kafka that asks who you are, and what it says when that is not settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from pipeline.cli import main
from pipeline.messages import Windows
from pipeline.stream.security import Security
from pipeline.stream.settings import load_security
from tests.integration import kafka_cluster
from tests.integration.certificates import Authority
from tests.integration.secure_kafka import (
    PASSWORD,
    PLAIN_USER,
    SCRAM_USER,
    TLS_USER,
    TOKEN_USER,
    SecureKafka,
    token,
)
from tests.integration.services import need
from tests.stream.live import Live, fleet, in_earnest

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    need("Apache Kafka", kafka_cluster.missing())
    with SecureKafka(tmp_path_factory.mktemp("secure")) as kafka:
        yield kafka


@pytest.fixture
def live(secure: SecureKafka) -> Live:
    """Topics are made and records written by whoever may; the worker is told otherwise where to connect."""
    live = Live(secure.cluster.bootstrap)
    live.create()
    return live


Ways = Mapping[str, tuple[str, str, dict[str, Any]]]


@pytest.fixture
def ways(secure: SecureKafka, tmp_path: Path) -> Ways:
    """Ways to connect: user, addresses, and settings."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "token").write_text(token())
    mine = secure.authority.issue("worker.example", common_name=TLS_USER)
    ca = {"tls_ca": str(secure.authority.certificate)}
    sasl, password = secure.cluster.bootstrap_of("SASL"), {"sasl_password_file": str(tmp_path / "password")}

    def by_password(mechanism: str, user: str) -> tuple[str, str, dict[str, Any]]:
        return user, sasl, {**ca, "sasl_mechanism": mechanism, "sasl_username": user, **password}

    return {
        "mutual TLS": (
            TLS_USER,
            secure.cluster.bootstrap_of("TLS"),
            {**ca, "tls_certificate": str(mine.certificate), "tls_key": str(mine.key)},
        ),
        "PLAIN": by_password("PLAIN", PLAIN_USER),
        "SCRAM-SHA-256": by_password("SCRAM-SHA-256", SCRAM_USER),
        "SCRAM-SHA-512": by_password("SCRAM-SHA-512", SCRAM_USER),
        "OAUTHBEARER": (
            TOKEN_USER,
            sasl,
            {**ca, "sasl_mechanism": "OAUTHBEARER", "sasl_token_file": str(tmp_path / "token")},
        ),
    }


def allow_all(secure: SecureKafka, user: str, live: Live) -> None:
    topics = [(ResourceType.TOPIC, live.input, AclOperation.READ)]
    topics += [
        (ResourceType.TOPIC, f"{live.names.prefix}*", operation)
        for operation in (AclOperation.READ, AclOperation.WRITE)
    ]
    secure.allow(user, [*topics, (ResourceType.GROUP, live.group, AclOperation.READ)])


@pytest.mark.parametrize("way", ["mutual TLS", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
async def test_a_worker_connects_in_every_way_and_works(secure: SecureKafka, live: Live, ways: Ways, way: str) -> None:
    user, bootstrap, how = ways[way]
    allow_all(secure, user, live)
    live.write(fleet(5))
    security = load_security(how, {}, None)
    async with live.working(**elsewhere(bootstrap, security)):
        await live.until(lambda: any(isinstance(said, Windows) for said in live.read(live.names.windows)))
    # Started again it reads back its state, by the other client.
    async with live.working(**elsewhere(bootstrap, security)) as service:
        await live.until(lambda: service.health.ready)
    assert in_earnest(live.said) == []


def elsewhere(bootstrap: str, security: Security) -> dict[str, Any]:
    from pipeline.stream.settings import parse_address

    return {"brokers": (parse_address(bootstrap),), "security": security}


async def told(live: Live, bootstrap: str, how: Mapping[str, Any]) -> str:
    """What a worker says when it ends by itself, which must be one line."""
    service = live.service(**elsewhere(bootstrap, load_security(how, {}, None)))
    assert await service.run() == 1
    (line,) = in_earnest(live.said)
    assert PASSWORD not in line
    return line


async def test_a_wrong_password_is_said(live: Live, ways: Ways, tmp_path: Path) -> None:
    _, bootstrap, how = ways["SCRAM-SHA-512"]
    (tmp_path / "wrong").write_text("guess")
    line = await told(live, bootstrap, {**how, "sasl_password_file": str(tmp_path / "wrong")})
    assert line.startswith(f"{bootstrap}: it refuses these credentials: Authentication failed")
    assert "guess" not in line


async def test_an_unknown_authority_is_said(live: Live, ways: Ways, tmp_path: Path) -> None:
    _, bootstrap, how = ways["SCRAM-SHA-512"]
    line = await told(live, bootstrap, {**how, "tls_ca": str(Authority(tmp_path / "other").certificate)})
    assert line.startswith(f"{bootstrap}: its certificate cannot be verified")
    assert "--tls-ca" in line


async def test_a_name_that_the_certificate_is_not_for_is_said(live: Live, ways: Ways) -> None:
    _, bootstrap, how = ways["SCRAM-SHA-512"]
    line = await told(live, bootstrap.replace("127.0.0.1", "localhost"), how)
    assert "its certificate cannot be verified" in line


async def test_a_certificate_that_the_broker_wants_is_said(live: Live, ways: Ways, secure: SecureKafka) -> None:
    _, bootstrap, _ = ways["mutual TLS"]
    line = await told(live, bootstrap, {"tls_ca": str(secure.authority.certificate)})
    assert "it wants a certificate of this client" in line


async def test_a_listener_without_tls_is_said(live: Live, ways: Ways, secure: SecureKafka) -> None:
    _, _, how = ways["SCRAM-SHA-512"]
    line = await told(live, secure.cluster.bootstrap_of("OPEN"), how)
    assert "it does not speak TLS there" in line


async def test_an_old_token_is_said(live: Live, ways: Ways, tmp_path: Path) -> None:
    _, bootstrap, how = ways["OAUTHBEARER"]
    (tmp_path / "token").write_text("not-what-the-broker-expects")
    line = await told(live, bootstrap, how)
    assert "it refuses these credentials" in line


async def test_every_right_that_is_missing_is_said_at_once(live: Live, ways: Ways, secure: SecureKafka) -> None:
    user, bootstrap, how = ways["SCRAM-SHA-512"]
    names = live.names
    secure.forbid(user)
    secure.allow(
        user,
        [
            (ResourceType.TOPIC, live.input, AclOperation.READ),
            (ResourceType.TOPIC, f"{names.prefix}*", AclOperation.READ),
            (ResourceType.TOPIC, names.windows, AclOperation.WRITE),
            (ResourceType.TOPIC, names.incidents, AclOperation.WRITE),
        ],
    )
    line = await told(live, bootstrap, how)
    missing = [
        f"Read on group {live.group}",
        *(
            f"Write on topic {topic}"
            for topic in (
                names.rejects,
                names.evidence,
                names.changes,
                names.baseline_state,
                names.pattern_state,
            )
        ),
    ]
    assert line.startswith(f"not allowed: {', '.join(missing)}; give each, such as: kafka-acls.sh --add ")


def test_topics_says_what_a_worker_may_not(
    live: Live, ways: Ways, secure: SecureKafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    user, bootstrap, how = ways["SCRAM-SHA-256"]
    secure.forbid(user)
    del how["sasl_password_file"]
    monkeypatch.setenv("SEAMWATCH_SASL_PASSWORD", PASSWORD)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in how.items()]
    given = ["--brokers", bootstrap, "--prefix", live.names.prefix, "--group", live.group, "--input", live.input]
    assert main(["topics", *given, *options]) == 3
    assert f"not allowed: Describe on topic {live.input}" in capsys.readouterr().err
    everything = [AclOperation.DESCRIBE_CONFIGS, AclOperation.READ]
    secure.allow(
        user, [(ResourceType.TOPIC, name, may) for name in (live.input, f"{live.names.prefix}*") for may in everything]
    )
    assert main(["topics", *given, *options]) == 1
    said = capsys.readouterr().err
    assert f"a worker is not allowed: Read on group {live.group}; kafka-acls.sh --add " in said
    assert PASSWORD not in said


def test_a_simulated_fleet_is_written_through_a_secure_connection(
    live: Live, ways: Ways, secure: SecureKafka, capsys: pytest.CaptureFixture[str]
) -> None:
    user, bootstrap, how = ways["PLAIN"]
    secure.allow(user, [(ResourceType.TOPIC, live.input, AclOperation.WRITE)])
    options = [f"--{name.replace('_', '-')}={value}" for name, value in how.items()]
    fleet_of = ["simulate", "--minutes", "1", "--as-fast", "--topic", live.input, "--brokers"]
    assert main([*fleet_of, bootstrap, *options]) == 0
    assert sum(live.ends(live.input)) > 0
    assert main([*fleet_of, bootstrap]) == 1
    assert "no broker answers" in capsys.readouterr().err
