"""Records as they come off a file or a topic, a batch at a time, in columns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class RecordBatch(msgspec.Struct, frozen=True):
    """Some records of one log, in its order.

    origin: file name (`-` for standard input) or `topic/partition`. positions: lines from 1, or offsets. timestamps:
    of the broker, ms since the epoch; None on disk. headers: of Kafka records, None where there are none.
    """

    origin: str
    positions: Sequence[int]
    values: Sequence[bytes]
    timestamps: Sequence[int] | None = None
    headers: Sequence[Sequence[tuple[str, bytes]]] | None = None
