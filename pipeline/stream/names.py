"""What topics and sources are called."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

EVIDENCE_PARTITION: Final = 0
"""Pattern needs the whole view: one partition. (The embedded broker makes more; they stay empty.)"""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of Seamwatch's own topics, all of which begin with `prefix`."""

    prefix: str

    @property
    def windows(self) -> str:
        return f"{self.prefix}windows"

    @property
    def evidence(self) -> str:
        return f"{self.prefix}evidence"

    @property
    def incidents(self) -> str:
        return f"{self.prefix}incidents"

    @property
    def changes(self) -> str:
        """Deployments and the like, as people and their tools tell of them."""
        return f"{self.prefix}changes"

    @property
    def proofs(self) -> str:
        """What drills have shown, the newest by service (compacted)."""
        return f"{self.prefix}proofs"

    @property
    def rejects(self) -> str:
        return f"{self.prefix}rejects"

    @property
    def baseline_state(self) -> str:
        return f"{self.prefix}state.baseline"

    @property
    def pattern_state(self) -> str:
        return f"{self.prefix}state.pattern"


def source_of(topic: str, partition: int) -> str:
    """A partition as a source of messages, e.g. `acme.telemetry/3`, `windows/0`."""
    return f"{topic}/{partition}"


def partition_of(key: str, partitions: int) -> int:
    """Where a key belongs; the same in every process and version, which hash() is not."""
    return zlib.crc32(key.encode()) % partitions
