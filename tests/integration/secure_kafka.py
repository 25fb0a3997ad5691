"""An Apache Kafka that asks who you are: TLS, mutual TLS, every kind of SASL, and access control lists.

Whoever comes through its plain listener may do everything; that is for what a test prepares.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.integration.certificates import Authority
from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.ports import LOOPBACK
from tests.integration.waiting import until

PLAIN_USER: Final = "plain"
SCRAM_USER: Final = "scram"
TOKEN_USER: Final = "token"
TLS_USER: Final = "mutual"
PASSWORD: Final = "correct horse; battery=staple"

_LOGIN: Final = "org.apache.kafka.common.security"


class SecureKafka:
    """One broker.

    Attributes:
        cluster: with the listeners SASL (over TLS), TLS (mutual) and OPEN (SASL in the open).
        authority: has signed the broker's certificate, and those of clients.
    """

    def __init__(self, home: Path) -> None:
        self.authority = Authority(home / "ca")
        broker = self.authority.issue(LOOPBACK)
        self.cluster = KafkaCluster(home / "kafka", properties=self._properties(broker.both), listeners=_LISTENERS)

    def _properties(self, own: Path) -> Mapping[str, str]:
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(own),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "listener.name.tls.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        } | {
            f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config": login
            for listener in ("sasl", "open")
            for mechanism, login in _LOGINS.items()
        }

    def __enter__(self) -> SecureKafka:
        self.cluster.start()
        admin = self.admin()
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            upsertion = UserScramCredentialUpsertion(
                SCRAM_USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode()
            )
            admin.alter_user_scram_credentials([upsertion])[SCRAM_USER].result(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.stop()

    def admin(self) -> AdminClient:
        """Who may do everything."""
        return AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})

    def allow(self, user: str, rights: Iterable[tuple[ResourceType, str, AclOperation]]) -> None:
        """Give a user rights; names end with `*` when they are only the beginning of one."""
        bindings = [_binding(user, kind, name, operation) for kind, name, operation in rights]
        admin = self.admin()
        for done in admin.create_acls(bindings).values():
            done.result(timeout=30)

    def forbid(self, user: str) -> None:
        """Take all rights of a user away."""
        admin = self.admin()
        of_user = _filter(user)
        admin.delete_acls([of_user])[of_user].result(timeout=30)
        until(lambda: not admin.describe_acls(of_user).result(timeout=30), within=30, what="rights to be gone")


_LISTENERS: Final = {"SASL": "SASL_SSL", "TLS": "SSL", "OPEN": "SASL_PLAINTEXT"}
_LOGINS: Final = {
    "PLAIN": f'{_LOGIN}.plain.PlainLoginModule required user_{PLAIN_USER}="{PASSWORD}";',
    "SCRAM-SHA-256": f"{_LOGIN}.scram.ScramLoginModule required;",
    "SCRAM-SHA-512": f"{_LOGIN}.scram.ScramLoginModule required;",
    "OAUTHBEARER": f'{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
}


def _binding(user: str, kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
    return AclBinding(kind, name.removesuffix("*"), pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _filter(user: str) -> AclBindingFilter:
    anything = None  # which the client's hints do not foresee
    return AclBindingFilter(
        ResourceType.ANY,
        anything,  # type: ignore[arg-type]
        ResourcePatternType.ANY,
        f"User:{user}",
        anything,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def token(user: str = TOKEN_USER, *, life_s: float = 300.0) -> str:
    """A JSON Web Token without a signature, which the broker takes when it is told of no keys."""
    now = time.time()
    head = {"alg": "none"}
    claims = {"sub": user, "iat": int(now), "exp": int(now + life_s)}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, claims))
    return ".".join(parts) + "."
