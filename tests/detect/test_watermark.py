"""When a minute may be closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.watermark import Watermark
from pipeline.messages import MINUTE_MS, Tick


def tick(source: str, minute: int, idle: bool = False) -> Tick:
    return Tick(source, minute * MINUTE_MS, idle)


def minutes(upto: int | None) -> int | None:
    return None if upto is None else upto // MINUTE_MS


def test_one_source_closes_what_it_says() -> None:
    watermark = Watermark(["a"])
    assert minutes(watermark.advance(tick("a", 3))) == 3


def test_silence_is_not_progress() -> None:
    watermark = Watermark(["a", "b"])
    assert watermark.advance(tick("a", 5)) is None
    assert minutes(watermark.advance(tick("b", 2))) == 2
    assert minutes(watermark.advance(tick("a", 9))) == 2


def test_an_idle_source_holds_nobody_up() -> None:
    watermark = Watermark(["a", "b"])
    watermark.advance(tick("b", 2))
    watermark.advance(tick("b", 2, idle=True))
    assert minutes(watermark.advance(tick("a", 9))) == 9


def test_a_source_that_is_idle_from_the_start_holds_nobody_up() -> None:
    watermark = Watermark(["a", "b"])
    watermark.advance(tick("b", 0, idle=True))
    assert minutes(watermark.advance(tick("a", 9))) == 9


def test_an_idle_source_that_speaks_again_is_awaited_again() -> None:
    watermark = Watermark(["a", "b"])
    watermark.advance(tick("b", 2, idle=True))
    watermark.advance(tick("a", 9))
    assert minutes(watermark.advance(tick("b", 4))) == 4


def test_when_all_are_idle_the_furthest_counts() -> None:
    watermark = Watermark(["a", "b"])
    watermark.advance(tick("a", 9, idle=True))
    assert minutes(watermark.advance(tick("b", 4, idle=True))) == 9


def test_a_source_never_takes_back_what_it_closed() -> None:
    watermark = Watermark(["a"])
    watermark.advance(tick("a", 9))
    assert minutes(watermark.advance(tick("a", 4))) == 9


def test_an_unknown_source_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown source 'c'; known: a, b"):
        Watermark(["b", "a"]).advance(tick("c", 1))


def test_a_stage_without_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one source"):
        Watermark([])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), min_size=1, max_size=40))
def test_with_all_awaited_it_is_the_least_of_the_furthest(said: list[tuple[str, int]]) -> None:
    watermark = Watermark("abc")
    furthest: dict[str, int] = {}
    for source, minute in said:
        upto = watermark.advance(tick(source, minute))
        furthest[source] = max(furthest.get(source, 0), minute)
        assert minutes(upto) == (min(furthest.values()) if len(furthest) == 3 else None)
