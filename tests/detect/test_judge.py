"""Judging inside one budget: what a look costs, what stands out, which scope explains it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pipeline.detect.calibration import LOOK_NATS, WEEK_MS
from pipeline.detect.history import SPANS, STEP_MS, History
from pipeline.detect.judge import Judge
from pipeline.detect.references import References
from pipeline.detect.verdict import Given
from tests.detect.planted import FAILURE, Plant, anchors, evidence

DAY = next(span for span in SPANS if span.name == "1d")
FIRMWARE = {"firmware": "tv-1.1"}


def judged(*plants: Plant, budget: float = 0.5, days: float = 1.0) -> Judge:
    references = References()
    references.take(anchors())
    history = History(references)
    judge = Judge(references, history, budget)
    for one in evidence(days, *plants, every=2 * 3_600_000):
        history.advance(one.minute // STEP_MS)
        history.count(references.rows(one.cohorts), references.columns(one.channels), one.n, one.x)
        last = one.minute
    history.advance(last // STEP_MS + 1)
    assert judge.ready()
    return judge


def plain(judge: Judge) -> Given:
    return judge.verdict(DAY).given([])


def test_all_scopes_and_channels_of_all_spans_together_cost_no_more_than_the_budget() -> None:
    """The chance of so many nats is e^-toll, and a span is judged afresh so many times a week."""
    judge = judged(budget=0.5)
    pages = sum(float(np.exp(-judge.toll(span)).sum()) * WEEK_MS / span.ms for span in SPANS)
    assert pages <= 0.5
    assert pages == pytest.approx(0.5 / 3.0)


def test_a_larger_budget_makes_every_look_cheaper() -> None:
    few, many = judged(budget=0.5), judged(budget=5.0)
    for span in SPANS:
        assert few.price(span) - many.price(span) == pytest.approx(np.log(10.0))


def test_a_short_span_costs_more_because_it_is_judged_more_often() -> None:
    prices = [judged().price(span) for span in SPANS]
    assert prices == sorted(prices, reverse=True)


def test_the_calibrated_offset_is_paid_by_every_span() -> None:
    judge = judged()
    before = judge.price(DAY)
    judge.calibration.pass_time(WEEK_MS, 0.5)
    assert judge.calibration.offset < 0.0
    assert judge.price(DAY) == pytest.approx(before + judge.calibration.offset)


def test_the_strongest_finding_is_what_was_planted() -> None:
    judge = judged(Plant(FAILURE, 2.0, FIRMWARE, 0.0, 1.0))
    found = judge.strongest(plain(judge), DAY, None)
    assert found is not None
    assert judge.lattice is not None
    assert dict(judge.lattice.scopes[found.node]) == FIRMWARE
    assert judge.judged[found.channel].channel == FAILURE
    assert found.net > 0.0


def test_what_is_no_news_is_not_found() -> None:
    judge = judged(Plant(FAILURE, 2.0, FIRMWARE, 0.0, 1.0))
    given = plain(judge)
    assert judge.strongest(given, DAY, None, np.zeros(given.score.shape, dtype=np.bool_)) is None


def test_on_a_quiet_day_nothing_comes_over_the_threshold() -> None:
    judge = judged()
    found = judge.strongest(plain(judge), DAY, None)
    assert found is None or -LOOK_NATS < found.net < 0.0


def test_what_explains_a_firmware_best_is_that_firmware_among_all_above_and_below_it() -> None:
    judge = judged(Plant(FAILURE, 2.0, FIRMWARE, 0.0, 1.0))
    assert judge.lattice is not None
    node = judge.lattice.node[("firmware", "tv-1.1"),]
    channel = [one.channel for one in judge.judged].index(FAILURE)
    related = judge.related(node)
    names = [dict(judge.lattice.scopes[k]) for k in related.tolist()]
    assert {} in names
    assert {"device_class": "tv"} in names
    assert {"operator": "altura", "firmware": "tv-1.1"} in names
    assert {"firmware": "tv-1.0"} not in names
    assert int(related[np.argmax(judge.plausible(plain(judge), [channel])[related])]) == node


def test_cohorts_without_a_full_day_of_reference_are_no_leaves() -> None:
    references = References()
    judge = Judge(references, History(references), 0.5)
    assert not judge.ready()


def test_a_cohort_that_is_forgotten_is_judged_no_more_even_when_another_has_come() -> None:
    known = anchors()
    references = References()
    references.take(msgspec.structs.replace(known, cohorts=known.cohorts, gone=[known.cohorts[0]]))
    judge = Judge(references, History(references), 0.5)
    assert judge.ready()
    assert judge.lattice is not None
    assert known.cohorts[0] not in judge.lattice.cohorts
    references.take(msgspec.structs.replace(known, gone=[known.cohorts[1]]))
    assert judge.ready()
    assert known.cohorts[1] not in judge.lattice.cohorts
    assert known.cohorts[0] in judge.lattice.cohorts
