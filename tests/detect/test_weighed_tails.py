"""Tails are weighed by how far out they are; what was learnt when they were counted goes on being counted."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from models.cutpoints import TAIL_REACH, TAIL_SHARE, TAIL_UNIT
from models.snapshot import Plain, pack
from pipeline.detect.anchors import AnchorPolicy
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import LATENCY_BIN
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, middle_of_slot, operation, said_of

STB = Cohort("altura", "stb", "1.0", "production")
NEW = STB._replace(firmware="2.0")
TAIL = Channel("playback_start", "tail")
DAYS = 2
SLOTS = 12 * DAYS + 1
"""Of two hours: until anchors are frozen."""
LATER = ("tail_slope", "tail_cap", "tail_hits", "tail_squares")
BELL = bell(800.0, 4_000.0)


def said(baseline: Baseline, slot: int, held: dict[int, float], of: Cohort = STB) -> list[Evidence | Anchors]:
    started = operation(sum(held.values()), held)
    return said_of(baseline, middle_of_slot(slot), {of: cohort(of, operations={"playback_start": started})})


def tail_of(messages: list[Evidence | Anchors]) -> tuple[float, float, float]:
    """n, x, expected of the last minute."""
    message = messages[-1]
    assert isinstance(message, Evidence)
    at = message.channels.index(TAIL)
    return float(message.n[0, at]), float(message.x[0, at]), float(message.expected[0, at])


def learnt() -> Baseline:
    baseline = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    for slot in range(SLOTS):
        said(baseline, slot, BELL)
    return baseline


def counting(state: Plain) -> Plain:
    """As a program from before tails were weighed would have left it: the tail is a share beyond a bin."""
    grids = {name: grid for name, grid in state["book"]["grids"].items() if name not in LATER}
    return {**state, "book": {**state["book"], "grids": grids}}


def slower(factor: float, held: dict[int, float], beyond_ms: float) -> dict[int, float]:
    """What is beyond a latency takes longer by a factor; the rest is as it was."""
    moved = round(math.log(factor) / LATENCY_BIN)
    out: dict[int, float] = {}
    for at, weight in held.items():
        to = at + moved if (at + 1) * LATENCY_BIN > math.log(beyond_ms) else at
        out[to] = out.get(to, 0.0) + weight
    return out


def test_what_is_usual_of_a_tail_is_expected() -> None:
    _, x, expected = tail_of(said(learnt(), SLOTS, BELL))
    assert x == pytest.approx(expected, rel=0.01)
    assert 0.2 * TAIL_SHARE < x / 4_000 < 1.2 * TAIL_SHARE


def test_the_same_number_of_slow_attempts_weighs_more_when_they_are_slower() -> None:
    _, usual, _ = tail_of(said(learnt(), SLOTS, BELL))
    _, slow, _ = tail_of(said(learnt(), SLOTS, slower(1.3, BELL, 1_450.0)))
    assert slow > 1.3 * usual


def test_no_attempt_counts_for_more_than_the_reach_of_the_tail() -> None:
    n, x, _ = tail_of(said(learnt(), SLOTS, {440: 10.0}))
    assert x == pytest.approx(n * TAIL_UNIT * TAIL_REACH, rel=1e-3)


def test_how_a_tail_varies_is_told_with_its_anchor() -> None:
    baseline = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    told = [one for slot in range(SLOTS + 1) for one in said(baseline, slot, BELL) if isinstance(one, Anchors)]
    at = told[-1].channels.index(TAIL)
    book = baseline._book
    hits, squares = (float(grid.data[0, at - 1]) for grid in (book.tail_hits, book.tail_squares))
    assert hits > 1_000
    assert told[-1].spread[0, at] == pytest.approx(squares / hits, rel=0.05)


def test_a_snapshot_from_before_tails_were_weighed_goes_on_counting() -> None:
    state = learnt().snapshot()
    old = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    old.restore(counting(state))
    first = int(old._book.tail_bin.data[0, old._book.table.channels.index(TAIL) - 1])
    _, x, _ = tail_of(said(old, SLOTS, BELL))
    assert x == pytest.approx(sum(weight for at, weight in BELL.items() if at >= first), rel=1e-4)


def test_a_restored_stage_weighs_as_before() -> None:
    one = learnt()
    other = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    other.restore(one.snapshot())
    assert tail_of(said(one, SLOTS, BELL)) == tail_of(said(other, SLOTS, BELL))


def test_anchors_learnt_from_before_tails_were_weighed_are_taken_up_and_counted() -> None:
    (learned,) = learnt().hand_over(0, 1)
    cells = {name: values for name, values in learned.cells.items() if name not in LATER}
    fresh = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    fresh.feed(msgspec.structs.replace(learned, cells=cells))
    _, x, _ = tail_of(said(fresh, 0, BELL))
    at = learned.channels.index(TAIL) - 1
    assert x == pytest.approx(sum(w for bin_, w in BELL.items() if bin_ >= learned.cells["tail_bin"][0, at]), rel=1e-4)


def test_a_successor_of_a_cohort_that_was_counted_is_counted_as_well() -> None:
    state = learnt().snapshot()
    old = Baseline(["a"], policy=AnchorPolicy(days=DAYS))
    old.restore(counting(state))
    _, x, expected = tail_of(said(old, SLOTS, BELL, NEW))
    first = int(old._book.tail_bin.data[0, old._book.table.channels.index(TAIL) - 1])
    assert x == pytest.approx(sum(weight for at, weight in BELL.items() if at >= first), rel=1e-4)
    assert expected > 0


def test_a_lenders_tail_is_seen_in_the_borrowers_weights() -> None:
    """The same devices, cut at other bins and with other weights: what is expected of them agrees."""
    baseline = learnt()
    book = baseline._book
    at = book.table.channels.index(TAIL)
    said(baseline, SLOTS, BELL, NEW)
    row = book.row(NEW)
    book.tail_bin.data[row, at - 1] += 2
    book.tail_slope.data[row, at - 1] = book.tail_cap.data[row, at - 1] = 1.0
    logs, _ = book._seen_from(row, [book.row(STB)])
    first = book.tail_bin.data[row, at - 1]
    counted = sum(weight for bin_, weight in BELL.items() if bin_ >= first) / 4_000
    # Of a bell's tail an exponential one says it to some ten per cent.
    assert float(np.exp(logs[0, at])) == pytest.approx(counted, rel=0.25)


def test_grids_that_are_missing_otherwise_are_still_a_damaged_snapshot() -> None:
    state = learnt().snapshot()
    state["book"]["grids"] = {**state["book"]["grids"], "tail_slope": pack(np.zeros((1, 1)))}
    with pytest.raises(ValueError, match="tail_slope"):
        Baseline(["a"], policy=AnchorPolicy(days=DAYS)).restore(state)
