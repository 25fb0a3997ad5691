"""Why a cluster does not answer: what librdkafka says of its connections, in words that name our settings.

A call that times out says "transport failure", whatever the cause; the cause is only in the client's log.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from typing import Final, NamedTuple


class Trouble(NamedTuple):
    """lasting: trying again does not help; somebody has to change a setting, here or at the broker."""

    text: str
    lasting: bool


_KNOWN: Final = (
    (
        re.compile(r"SASL authentication error: (?P<why>.*)"),
        "it refuses these credentials: {why}; check --sasl-mechanism, --sasl-username and the password or token",
        True,
    ),
    (
        re.compile(r"certificate verify failed"),
        "its certificate cannot be verified: it is not signed by whom we trust, or is for another host name; "
        "check --tls-ca and the names in --brokers",
        True,
    ),
    (
        re.compile(r"alert (?:bad certificate|certificate required|unknown ca|handshake failure)"),
        "it wants a certificate of this client, signed by whom it trusts; give --tls-certificate and --tls-key",
        True,
    ),
    (
        re.compile(r"connecting to a PLAINTEXT broker listener"),
        "it does not speak TLS there; use another port, or --tls off",
        True,
    ),
    (
        re.compile(r"SASL .* mechanism (?:handshake failed|not supported)|[Uu]nsupported SASL mechanism"),
        "it does not know that SASL mechanism; choose another --sasl-mechanism",
        True,
    ),
    (
        re.compile(r"incorrect security\.protocol|connecting to a SSL listener|not in.*enabled SASL"),
        "it hangs up on us; does it want TLS (--tls on) or SASL (--sasl-mechanism) there?",
        False,
    ),
    (re.compile(r"Failed to (?:resolve|acquire) .*?: (?P<why>.*)"), "{why}", False),
    (re.compile(r"Connect to \S+ failed: (?P<why>.*)"), "{why}", False),
)
"""The first that anything said matches is the cause: those further down also come with what is above."""


class Listener(logging.Logger):
    """Takes the log of one client; shows nothing of it."""

    def __init__(self) -> None:
        super().__init__("librdkafka", logging.WARNING)
        self._said: deque[str] = deque(maxlen=100)
        self.addHandler(_Keep(self._said))

    def trouble(self) -> Trouble | None:
        """What is behind all that was said since this was asked last; None when that is nothing known."""
        said = [re.sub(r" \(after .*?\)$", "", line) for line in self._said]
        self._said.clear()
        for pattern, text, lasting in _KNOWN:
            for line in reversed(said):
                found = pattern.search(line)
                if found is not None:
                    return Trouble(text.format(**found.groupdict()), lasting)
        return None


class _Keep(logging.Handler):
    def __init__(self, said: deque[str]) -> None:
        super().__init__()
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())
