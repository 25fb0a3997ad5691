"""Security of the connection to Kafka: what is asked for, checked as a whole.

    tls: on                                # implied by any of the three below
    tls_ca: /etc/kafka/ca.pem              # whose signature on a broker's certificate is trusted; else the system's
    tls_certificate: /etc/kafka/worker.pem # with tls_key: mutual TLS
    tls_key: /etc/kafka/worker.key
    sasl_mechanism: SCRAM-SHA-512          # or PLAIN, SCRAM-SHA-256, OAUTHBEARER
    sasl_username: seamwatch
    sasl_password_file: /run/secrets/kafka # or $SEAMWATCH_SASL_PASSWORD

OAUTHBEARER takes its token from `sasl_token_file`, which is read anew whenever a token is needed, or from an identity
provider: `sasl_token_url`, `sasl_client_id`, `sasl_client_secret_file` and, where it wants one, `sasl_scope`.

Secrets stand in files or in the environment, never in worker.yaml or on a command line, which others can read. A
broker's name is always checked against its certificate: without that TLS keeps nobody out.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.stream.secret import Secret, read_secret

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")

SECRETS: Final = ("tls_key_password", "sasl_password", "sasl_client_secret")
"""Settings that only the environment may hold; each has a companion `…_file` that may stand anywhere."""


@dataclass(frozen=True, slots=True)
class Tls:
    """ca: None for the system's. certificate, key: of this client, both or neither."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Password:
    """SASL PLAIN and SCRAM."""

    mechanism: str
    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class TokenFile:
    """OAUTHBEARER with a token that somebody else keeps fresh."""

    path: Path


@dataclass(frozen=True, slots=True)
class TokenUrl:
    """OAUTHBEARER with the client credentials of an identity provider."""

    url: str
    client_id: str
    client_secret: Secret
    scope: str | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """How to connect. tls, sasl: None for without."""

    tls: Tls | None = None
    sasl: Password | TokenFile | TokenUrl | None = None

    @property
    def protocol(self) -> str:
        """As Kafka names it."""
        secure = "SSL" if self.tls is not None else "PLAINTEXT"
        return secure if self.sasl is None else f"SASL_{secure}"

    @property
    def mechanism(self) -> str | None:
        if self.sasl is None:
            return None
        return self.sasl.mechanism if isinstance(self.sasl, Password) else "OAUTHBEARER"

    @property
    def exposes_secrets(self) -> bool:
        """Whoever listens on the way learns what is needed to connect. (SCRAM does not tell its password.)"""
        return self.tls is None and self.mechanism in ("PLAIN", "OAUTHBEARER")


class TlsError(Exception):
    """A file of certificates or keys that cannot be used. setting: which one."""

    def __init__(self, why: str, setting: str) -> None:
        self.setting = setting
        super().__init__(why)


def context(tls: Tls) -> ssl.SSLContext:
    """For clients that use Python's own TLS. Raises TlsError."""
    try:
        made = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise TlsError(_why(tls.ca, error, "certificate"), "tls_ca") from None
    if tls.certificate is not None:
        # Not left out when there is none: OpenSSL would ask for it on the terminal.
        password = tls.key_password.reveal() if tls.key_password is not None else ""
        try:
            made.load_cert_chain(tls.certificate, tls.key, lambda: password)
        except ssl.SSLError as error:
            raise TlsError(*_chain_fault(tls, error)) from None
        except OSError as error:
            missing = tls.key if tls.key is not None and not tls.key.exists() else tls.certificate
            setting = "tls_key" if missing == tls.key else "tls_certificate"
            raise TlsError(_why(missing, error, "certificate"), setting) from None
    return made


def _why(path: Path | None, error: OSError, what: str) -> str:
    if isinstance(error, ssl.SSLError) or error.strerror is None:
        return f"{path} holds no {what} in PEM"
    return f"{path} cannot be read: {error.strerror}"


def _chain_fault(tls: Tls, error: ssl.SSLError) -> tuple[str, str]:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{tls.key} is not the key of {tls.certificate}", "tls_key"
    try:
        ssl.create_default_context().load_verify_locations(tls.certificate)
    except OSError:
        return f"{tls.certificate} holds no certificate in PEM", "tls_certificate"
    if tls.key is not None and b"ENCRYPTED" in tls.key.read_bytes():
        return f"{tls.key} is encrypted, and not with the password that is given for it, if one is", "tls_key"
    return f"{tls.key} holds no private key in PEM", "tls_key"


Complaint = Callable[[str, str, str], None]
"""Takes a setting, what is wrong with it, and what would be right."""


def secure(found: Mapping[str, Any], complain: Complaint, *, read: bool = True) -> Security:
    """Security from single settings by name; whatever does not fit together is complained of.

    read: open the files that are named, which may not be there where a configuration is only checked.
    """
    secrets = {name: secret_of(name, found, complain, read) for name in SECRETS}
    tls = _tls(found, secrets, complain)
    if tls is not None and read:
        try:
            context(tls)
        except TlsError as error:
            complain(error.setting, str(error), f"name another file with {error.setting}")
    return Security(tls, _sasl(found, secrets, tls, complain))


def secret_of(name: str, found: Mapping[str, Any], complain: Complaint, read: bool) -> Secret | None:
    """A secret that is given as such, or by the file of it."""
    file = found.get(f"{name}_file")
    if name in found and file is not None:
        complain(name, f"both {name} and {name}_file are given", "give one of them")
    if name in found or file is None:
        given: Secret | None = found.get(name)
        return given
    if not read:
        return Secret("")
    try:
        secret = read_secret(file)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        complain(f"{name}_file", f"{file} cannot be read: {why}", "name a file whose first line is the secret")
        return Secret("")
    if not secret.reveal():
        complain(f"{name}_file", f"the first line of {file} is empty", "name a file whose first line is the secret")
    return secret


def _tls(found: Mapping[str, Any], secrets: Mapping[str, Secret | None], complain: Complaint) -> Tls | None:
    named = [name for name in ("tls_ca", "tls_certificate", "tls_key") if name in found]
    if not found.get("tls", bool(named)):
        for name in named:
            complain(name, f"{name} is given, and tls is off", "leave tls away, or switch it on")
        return None
    if ("tls_certificate" in found) != ("tls_key" in found):
        given, other = ("tls_certificate", "tls_key") if "tls_certificate" in found else ("tls_key", "tls_certificate")
        complain(given, f"{given} is given without {other}", f"give {other} as well")
        return Tls(found.get("tls_ca"))
    return Tls(found.get("tls_ca"), found.get("tls_certificate"), found.get("tls_key"), secrets["tls_key_password"])


def _sasl(
    found: Mapping[str, Any], secrets: Mapping[str, Secret | None], tls: Tls | None, complain: Complaint
) -> Password | TokenFile | TokenUrl | None:
    mechanism = found.get("sasl_mechanism")
    if mechanism is None:
        for name in found:
            if name.startswith("sasl_"):
                complain(name, f"{name} is given without sasl_mechanism", f"give one: {', '.join(MECHANISMS)}")
        return None
    if mechanism != "OAUTHBEARER":
        return _password(mechanism, found, secrets["sasl_password"], complain)
    if ("sasl_token_file" in found) == ("sasl_token_url" in found):
        right = "give sasl_token_file, or sasl_token_url with sasl_client_id and sasl_client_secret_file"
        complain("sasl_mechanism", "OAUTHBEARER needs one source of tokens", right)
        return None
    if "sasl_token_file" in found:
        return TokenFile(found["sasl_token_file"])
    return _token_url(found, secrets["sasl_client_secret"], tls, complain)


def _password(
    mechanism: str, found: Mapping[str, Any], password: Secret | None, complain: Complaint
) -> Password | None:
    username = found.get("sasl_username")
    if username is None:
        complain("sasl_mechanism", f"{mechanism} needs a user", "give sasl_username")
    if password is None:
        right = "give sasl_password_file, or $SEAMWATCH_SASL_PASSWORD"
        complain("sasl_mechanism", f"{mechanism} needs a password", right)
    return Password(mechanism, username, password) if username is not None and password is not None else None


def _token_url(
    found: Mapping[str, Any], client_secret: Secret | None, tls: Tls | None, complain: Complaint
) -> TokenUrl | None:
    client_id = found.get("sasl_client_id")
    if client_id is None or client_secret is None:
        right = "give sasl_client_id, and sasl_client_secret_file or $SEAMWATCH_SASL_CLIENT_SECRET"
        complain("sasl_token_url", "an identity provider wants to know the client", right)
        return None
    return TokenUrl(
        found["sasl_token_url"], client_id, client_secret, found.get("sasl_scope"), tls.ca if tls is not None else None
    )
