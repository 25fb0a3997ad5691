"""Security of the connection, as settings: what fits together, what is said of what does not, what is never shown."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.intent import ConfigurationError
from pipeline.stream.clients import confluent, credentials
from pipeline.stream.secret import Secret
from pipeline.stream.security import Password, Security, Tls, TokenFile, TokenUrl
from pipeline.stream.settings import Settings, lint, load
from tests.integration.certificates import Authority

ENOUGH = {"brokers": "kafka:9092", "inputs": ["telemetry"]}
SECRET = "do not show"


def loaded(
    arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    return load({**ENOUGH, **arguments}, environment or {}, directory)


def faults(
    arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(arguments, environment, directory)
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    return path


def test_without_settings_the_connection_is_open() -> None:
    security = loaded({}).security
    assert security == Security()
    assert confluent("kafka:9092", security) == {"bootstrap.servers": "kafka:9092", "security.protocol": "plaintext"}
    assert credentials(security) is None


def test_a_file_of_authorities_switches_tls_on(authority: Authority) -> None:
    security = loaded({"tls_ca": str(authority.certificate)}).security
    assert security == Security(Tls(authority.certificate))
    assert security.protocol == "SSL"


def test_tls_may_trust_whom_the_system_trusts() -> None:
    security = loaded({"tls": "on"}).security
    assert security == Security(Tls())
    assert confluent("k:1", security)["ssl.ca.location"] == "probe"


def test_both_clients_get_the_same_password_from_a_file(password_file: Path) -> None:
    security = loaded(
        {"sasl_mechanism": "scram-sha-512", "sasl_username": "u", "sasl_password_file": str(password_file)}
    ).security
    assert security.sasl == Password("SCRAM-SHA-512", "u", Secret(SECRET))
    client, faust = confluent("k:1", security), credentials(security)
    assert (client["sasl.mechanism"], client["sasl.username"], client["sasl.password"]) == (
        "SCRAM-SHA-512",
        "u",
        SECRET,
    )
    assert (faust.mechanism.value, faust.username, faust.password) == ("SCRAM-SHA-512", "u", SECRET)  # type: ignore[union-attr]


def test_the_environment_wins_over_a_file_that_worker_yaml_names(tmp_path: Path, password_file: Path) -> None:
    (tmp_path / "worker.yaml").write_text(
        f"version: 1\nsasl_mechanism: PLAIN\nsasl_username: u\nsasl_password_file: {password_file}\n"
    )
    security = loaded({}, {"SEAMWATCH_SASL_PASSWORD": "another"}, tmp_path).security
    assert security.sasl == Password("PLAIN", "u", Secret("another"))


def test_tokens_come_from_a_file_or_an_identity_provider(password_file: Path) -> None:
    assert loaded({"sasl_mechanism": "OAUTHBEARER", "sasl_token_file": "/t"}).security.sasl == TokenFile(Path("/t"))
    provider = {
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_token_url": "https://login.example/token",
        "sasl_client_id": "seamwatch",
        "sasl_client_secret_file": str(password_file),
        "sasl_scope": "kafka",
    }
    assert loaded(provider).security.sasl == TokenUrl(
        "https://login.example/token", "seamwatch", Secret(SECRET), "kafka"
    )


def test_no_secret_is_shown_by_settings_or_can_be_written(password_file: Path) -> None:
    settings = loaded(
        {"sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password_file": str(password_file)},
        {"SEAMWATCH_TLS_KEY_PASSWORD": SECRET},
    )
    assert SECRET not in repr(settings) + str(settings) + repr(credentials(settings.security))
    secret = Secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError, match="not to be written"):
        pickle.dumps(secret)


def test_a_secret_has_no_place_in_worker_yaml_and_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "worker.yaml").write_text(
        f"version: 1\nsasl_mechanism: PLAIN\nsasl_username: u\nsasl_password: {SECRET}\n"
    )
    said = faults({}, {}, tmp_path)
    assert said == [
        f"{tmp_path}/worker.yaml:4: sasl_password is a secret, and this file is none; "
        "take it out, and give sasl_password_file or $SEAMWATCH_SASL_PASSWORD"
    ]


@pytest.mark.parametrize("option", ["--sasl-password", "--tls-key-password", "--sasl-client-secret"])
def test_no_secret_can_be_given_on_a_command_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["worker", "--brokers", "k:1", "--input", "in", option, SECRET])
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sasl_username": "u"}, "--sasl-username:1: sasl_username is given without sasl_mechanism"),
        ({"sasl_mechanism": "PLAIN"}, "PLAIN needs a user"),
        ({"sasl_mechanism": "PLAIN", "sasl_username": "u"}, "PLAIN needs a password"),
        ({"sasl_mechanism": "NTLM"}, "unknown mechanism 'NTLM': known are PLAIN, SCRAM-SHA-256"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "OAUTHBEARER needs one source of tokens"),
        ({"sasl_mechanism": "OAUTHBEARER", "sasl_token_url": "https://x"}, "wants to know the client"),
        ({"sasl_mechanism": "OAUTHBEARER", "sasl_token_url": "x"}, "'x' is no URL"),
        ({"tls_certificate": "/c"}, "--tls-certificate:1: tls_certificate is given without tls_key"),
        ({"tls": "off", "tls_ca": "/c"}, "tls_ca is given, and tls is off"),
        ({"tls": "maybe"}, "'maybe' is neither on nor off"),
        ({"tls_ca": "/none"}, "--tls-ca:1: /none cannot be read: No such file or directory"),
    ],
)
def test_what_does_not_fit_together_is_said(arguments: Mapping[str, str], said: str) -> None:
    assert any(said in fault for fault in faults(arguments))


def test_a_password_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    user = {"sasl_mechanism": "PLAIN", "sasl_username": "u"}
    (fault,) = faults({**user, "sasl_password_file": str(tmp_path / "none")})
    assert fault.startswith(f"--sasl-password-file:1: {tmp_path}/none cannot be read: No such file or directory")
    (tmp_path / "empty").write_text("\n")
    (fault,) = faults({**user, "sasl_password_file": str(tmp_path / "empty")})
    assert f"the first line of {tmp_path}/empty is empty" in fault
    (fault,) = faults({**user, "sasl_password_file": str(tmp_path / "empty")}, {"SEAMWATCH_SASL_PASSWORD": "x"})
    assert "both sasl_password and sasl_password_file are given" in fault


def test_files_of_tls_that_cannot_be_used_are_named(tmp_path: Path, authority: Authority) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    one, other = authority.issue("one.example"), authority.issue("other.example")
    locked = authority.issue("locked.example", password=SECRET)

    def said(certificate: Path, key: Path) -> str:
        (fault,) = faults({"tls_certificate": str(certificate), "tls_key": str(key)})
        return fault

    (fault,) = faults({"tls_ca": str(empty)})
    assert f"{empty} holds no certificate in PEM" in fault
    assert f"--tls-key:1: {other.key} is not the key of {one.certificate}" in said(one.certificate, other.key)
    assert f"--tls-certificate:1: {empty} holds no certificate" in said(empty, one.key)
    assert f"--tls-key:1: {empty} holds no private key" in said(one.certificate, empty)
    assert f"--tls-key:1: {tmp_path}/none cannot be read" in said(one.certificate, tmp_path / "none")
    assert f"--tls-key:1: {locked.key} is encrypted" in said(locked.certificate, locked.key)


def test_a_key_with_a_password_opens_with_it(authority: Authority) -> None:
    locked = authority.issue("locked.example", password=SECRET)
    security = loaded(
        {"tls_certificate": str(locked.certificate), "tls_key": str(locked.key)}, {"SEAMWATCH_TLS_KEY_PASSWORD": SECRET}
    ).security
    assert confluent("k:1", security)["ssl.key.password"] == SECRET
    assert credentials(security) is not None


def test_lint_of_worker_yaml_does_not_miss_what_may_be_given_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "worker.yaml").write_text(
        "version: 1\nsasl_mechanism: PLAIN\nsasl_username: u\nsasl_password_file: /run/secrets/x\ntls_ca: /etc/none\n"
    )
    assert lint(tmp_path) == []
    assert main(["check", str(tmp_path)]) == 0


def test_check_says_every_fault_of_both_files_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "intent.yaml").write_text("version: 2\nservices:\n  a: {operations: [x], priority: degradable}\n")
    (tmp_path / "worker.yaml").write_text("version: 1\nbroker: a:1\nsession_s: soon\ntls_key: /k\n")
    assert main(["check", str(tmp_path)]) == 2
    places = [line.split(": ")[0] for line in capsys.readouterr().err.splitlines()]
    assert places == [f"{tmp_path}/intent.yaml:1", *(f"{tmp_path}/worker.yaml:{line}" for line in (2, 3, 4))]
