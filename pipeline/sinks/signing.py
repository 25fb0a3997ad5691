"""The signature of a webhook's body: HMAC-SHA256 over its time and bytes, with a secret that both sides know.

    Seamwatch-Signature: t=1767225600,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd

`t` is when it was signed, seconds since the epoch; `v1` is HMAC-SHA256 in hexadecimal over the bytes `{t}.{body}`. The
time is under the signature, so that whoever has recorded a delivery cannot use it later. `verify` is what a receiver in
Python may copy; it needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

HEADER: Final = "Seamwatch-Signature"
TOLERANCE_S: Final = 300
"""How far the receiver's clock may be from ours, and a delivery from its signature."""


def sign(secret: bytes, at: int, body: bytes) -> str:
    """Value of the header. at: seconds since the epoch.

    >>> sign(b"a secret of the example", 1767225600, b"{}")[:40]
    't=1767225600,v1=63ebd32b0100c4fa939a5c8f'
    """
    return f"t={at},v1={_digest(secret, str(at), body)}"


def verify(secret: bytes, header: str, body: bytes, now: float) -> bool:
    """Whether the body, as it came and before it was parsed, was signed with the secret, and not long before `now`."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at, signature = fields.get("t", ""), fields.get("v1", "")
    # In constant time: how long it takes to refuse must not tell how much of a forged signature is right.
    genuine = hmac.compare_digest(_digest(secret, at, body).encode(), signature.encode())
    return genuine and at.isascii() and at.isdigit() and abs(now - int(at)) <= TOLERANCE_S


def _digest(secret: bytes, at: str, body: bytes) -> str:
    return hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
