"""Certificates for brokers and clients on loopback, from authorities that live as long as a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True, slots=True)
class Files:
    """In PEM: a chain of certificates, its key, and both in one file."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs; its own certificate is in `certificate`."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._ca = trustme.CA()
        self.certificate = home / "ca.pem"
        self._ca.cert_pem.write_to_path(self.certificate)

    def issue(self, name: str, *, common_name: str | None = None, password: str | None = None) -> Files:
        """For `name`, a host or an address; `common_name` is whom Kafka takes a client for."""
        issued = self._ca.issue_cert(name, common_name=common_name)
        stem = common_name or name
        files = Files(*(self._home / f"{stem}.{kind}" for kind in ("pem", "key", "both.pem")))
        # Java reads PKCS#8 only, which is not what trustme writes.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        lock = BestAvailableEncryption(password.encode()) if password is not None else NoEncryption()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        files.certificate.write_bytes(chain)
        files.key.write_bytes(pem)
        files.both.write_bytes(pem + chain)
        return files
