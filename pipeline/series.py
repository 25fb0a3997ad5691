"""Cohort and operation of records as small numbers."""

from __future__ import annotations

from itertools import repeat
from sys import intern
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.hashing import Hashes
from pipeline.numbers import grown

Name: TypeAlias = tuple[str, str, str, str, str]
"""Operator, device class, firmware, environment, operation."""

KEPT: Final = 100_000


class Series:
    """Numbers of all series that were seen since the last `trim`.

    Attributes:
        names: by number.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._numbers: dict[Name, int] = {}
        self.names: list[Name] = []
        self._operator = np.zeros(64, dtype=np.int64)
        """Hash of the operator of each, as `pipeline.hashing.hashed` has it."""

    def numbers(self, seen: Columns) -> NDArray[np.int64]:
        """Of each record."""
        # The tuples of this zip are used again and again, as nobody keeps one.
        names = zip(seen.operator, seen.device_class, seen.firmware, seen.environment, seen.operation, strict=True)
        found = np.fromiter(map(self._numbers.get, names, repeat(-1)), dtype=np.int64, count=len(seen.operator))
        for row in np.flatnonzero(found < 0).tolist():
            name = (
                seen.operator[row],
                seen.device_class[row],
                seen.firmware[row],
                seen.environment[row],
                seen.operation[row],
            )
            number = self._numbers.get(name)
            found[row] = self._add(*name) if number is None else number
        return found

    def operators(self, numbers: NDArray[np.int64]) -> Hashes:
        """The hash of the operator of each."""
        return self._operator[numbers].view(np.uint64)

    def trim(self) -> None:
        """Forget all if there are many; none of their numbers may be in use."""
        if len(self.names) > KEPT:
            self._clear()

    def _add(self, *name: str) -> int:
        # Equal parts of names are one text, so that a look-up finds them in the processor's cache.
        operator, device_class, firmware, environment, operation = map(intern, name)
        number = len(self.names)
        self.names.append((operator, device_class, firmware, environment, operation))
        self._numbers[self.names[number]] = number
        if number >= len(self._operator):
            self._operator = grown(self._operator, number + 1, 0)
        self._operator[number] = hash(operator)
        return number
