"""A simulation in real time: what is due is written when it is due, whatever drawing it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.simulate.kafka import _ahead


def test_the_next_item_is_made_while_the_one_before_is_in_use() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for i, event in enumerate(made):
            event.set()
            yield i

    for item in _ahead(items()):
        assert all(event.wait(10) for event in made[: item + 2])


def test_an_error_in_making_an_item_reaches_whoever_asks_for_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        msg = "no more"
        raise ValueError(msg)

    taken = _ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no more"):
        next(taken)
