"""Independent streams of chance for one seed, each addressed by what it is for."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """The generator for `purpose` (and a day, a block, …).

    Addressed streams rather than one that is passed along: a fleet without shocks draws the same devices as one with
    them, day 3 is the same whether 5 or 50 days are asked for, and a fault leaves everything outside its scope as is.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *index])))
