"""Settings of Alertmanager and the webhook: what is read, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from pipeline.intent import ConfigurationError
from pipeline.stream.settings import lint, load
from pipeline.stream.telling import Telling

ENOUGH = {"brokers": "kafka:9092", "inputs": ["telemetry"]}
SECRET = "sixteen and more characters"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a secret, a token and certificates."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "short").write_text("short\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("worker.example")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "worker.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "worker.key")
    return tmp_path


def told(home: Path, **given: str) -> Telling:
    """`~` in a setting is the folder."""
    return told_with({}, home, **given)


def told_with(environment: Mapping[str, str], home: Path, **given: str) -> Telling:
    arguments = {name: value.replace("~", str(home)) for name, value in given.items()}
    return load({**ENOUGH, **arguments}, environment, None).telling


def test_nobody_is_told_unless_named(home: Path) -> None:
    assert told(home) == Telling()


def test_every_alertmanager_of_a_cluster_is_named(home: Path) -> None:
    found = told(home, alertmanager="https://am-1:9093/, https://am-2:9093")
    assert found.alertmanagers == ("https://am-1:9093", "https://am-2:9093")
    assert found.alertmanager.authorization() is None


def test_basic_authentication_and_a_bearer_token_are_what_they_should_be(home: Path) -> None:
    basic = told(home, alertmanager="http://am", alertmanager_username="kim", alertmanager_password_file="~/short")
    assert basic.alertmanager.authorization() == "Basic a2ltOnNob3J0"
    bearer = told(home, alertmanager="http://am", alertmanager_token_file="~/secret")
    assert bearer.alertmanager.authorization() == f"Bearer {SECRET}"
    (home / "secret").write_text("a fresh one\n")
    assert bearer.alertmanager.authorization() == "Bearer a fresh one"
    (home / "secret").unlink()
    with pytest.raises(OSError, match="secret"):
        bearer.alertmanager.authorization()


def test_certificates_are_taken_of_either_receiver(home: Path) -> None:
    found = told(
        home,
        alertmanager="https://am",
        alertmanager_ca="~/ca.pem",
        alertmanager_certificate="~/worker.pem",
        alertmanager_key="~/worker.key",
        webhook="https://hooks.example",
        webhook_secret_file="~/secret",
        webhook_ca="~/ca.pem",
    )
    assert found.alertmanager.tls is not None
    assert found.alertmanager.tls.key == home / "worker.key"
    assert found.webhook_reach.tls is not None
    assert found.webhook_reach.tls.certificate is None


def test_a_secret_may_come_from_the_environment_and_is_shown_nowhere(home: Path) -> None:
    environment = {"SEAMWATCH_WEBHOOK_SECRET": SECRET, "SEAMWATCH_ALERTMANAGER_PASSWORD": "pass phrase"}
    found = told_with(
        environment, home, webhook="https://hooks.example", alertmanager="http://am", alertmanager_username="kim"
    )
    assert found.webhook_secret is not None
    assert found.webhook_secret.reveal() == SECRET
    assert SECRET not in repr(found)
    assert "pass phrase" not in repr(found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alertmanager": "am:9093"}, "--alertmanager:1: 'am:9093' is no URL"),
        ({"alertmanager": "http://a,http://a"}, "names none, or one twice"),
        ({"alertmanager_ca": "~/ca.pem"}, "--alertmanager-ca:1: alertmanager_ca is given without alertmanager"),
        ({"alertmanager": "http://a", "alertmanager_username": "kim"}, "a user and a password go together"),
        ({"alertmanager": "http://a", "alertmanager_password_file": "~/secret"}, "a user and a password go together"),
        ({"alertmanager": "http://a", "alertmanager_token_file": "~/none"}, "~/none cannot be read: No such file"),
        ({"alertmanager": "https://a", "alertmanager_ca": "~/secret"}, "~/secret holds no certificate in PEM"),
        ({"alertmanager": "https://a", "alertmanager_key": "~/worker.key"}, "key is given without certificate"),
        ({"webhook": "https://h"}, "--webhook:1: what is sent there must be signed; give webhook_secret_file"),
        (
            {"webhook": "https://h", "webhook_secret_file": "~/short"},
            "--webhook-secret-file:1: the secret is too short",
        ),
        ({"webhook": "https://h", "webhook_secret_file": "~/none"}, "~/none cannot be read"),
        ({"webhook_secret_file": "~/secret"}, "webhook_secret_file is given without webhook"),
        ({"page_url": "seamwatch.example"}, "--page-url:1: 'seamwatch.example' is no URL"),
    ],
)
def test_what_does_not_fit_together_is_said_with_its_place(home: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        told(home, **given)
    assert said.replace("~", str(home)) in "\n".join(map(str, caught.value.faults))


def test_a_user_and_a_token_are_one_too_many(home: Path) -> None:
    given = {"alertmanager_username": "kim", "alertmanager_password_file": "~/short"}
    with pytest.raises(ConfigurationError, match="both a token and a user are given"):
        told(home, alertmanager="http://a", alertmanager_token_file="~/secret", **given)


def test_a_file_is_linted_without_its_secrets(home: Path) -> None:
    (home / "worker.yaml").write_text(
        "version: 1\nalertmanager: [https://am-1, https://am-2]\nalertmanager_token_file: /run/secrets/none\n"
        "webhook: https://h\nwebhook_secret: in the open\nwebhook_ca: 7\n"
    )
    assert [fault.line for fault in lint(home)] == [5, 6]
    (home / "worker.yaml").write_text("version: 1\nwebhook: https://h\nwebhook_secret_file: /run/secrets/none\n")
    assert lint(home) == []
