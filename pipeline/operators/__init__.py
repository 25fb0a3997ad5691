"""One wire format a file: bytes in, Observations and Rejects out. Nothing past this package knows a format."""

from __future__ import annotations

from typing import Final

from pipeline.operators.adapter import Adapter, Decoded
from pipeline.operators.canonical import Canonical

ADAPTERS: Final[dict[str, type[Adapter]]] = {"canonical": Canonical}
"""By the name that `--format` and the configuration use."""

__all__ = ["ADAPTERS", "Adapter", "Canonical", "Decoded"]
