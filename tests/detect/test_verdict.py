"""One span judged: what is strongest where, and what is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tails import tempered
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.judged import Residuals
from pipeline.detect.lattice import Scope
from pipeline.detect.moods import PRIOR_TAIL
from pipeline.detect.verdict import NOTHING, Given
from tests.detect.planted import FAILURE, LATENCY
from tests.detect.spans import CHANNELS, JUDGED, SHIFT, TABLE, UNITS, Span, as_usual, place


def strongest(found: Given) -> tuple[Scope, Channel | None]:
    node, at = np.unravel_index(int(np.argmax(found.score)), found.score.shape)
    return found.verdict.lattice.scopes[int(node)], JUDGED[int(at)].channel if at < len(JUDGED) else None


@pytest.mark.parametrize(
    "scope",
    [
        {"firmware": "tv-1.1"},
        {"operator": "norvik"},
        {"device_class": "stb"},
        {"operator": "tessera", "device_class": "tv"},
        {"operator": "altura", "firmware": "stb-1.0"},
    ],
)
@pytest.mark.parametrize(("channel", "factor"), [(FAILURE, 2.0), (LATENCY, 1.3), (Channel(EVERY, "gap"), 2.0)])
def test_a_planted_step_is_strongest_at_its_own_scope(scope: dict[str, str], channel: Channel, factor: float) -> None:
    found = as_usual().raise_by(factor, channel, **scope).verdict()
    at = place(channel)
    node = int(np.argmax(found.score[:, at]))
    assert dict(found.verdict.lattice.scopes[node]) == scope
    assert found.effect[node, at] > (0.7 * np.log(factor) if channel.is_shift else 0.7 * (factor - 1.0))


def test_where_all_is_as_usual_nothing_is_said() -> None:
    found = as_usual().verdict()
    assert (found.score == NOTHING).all()


def test_when_all_move_alike_no_part_of_the_fleet_is_suspected() -> None:
    found = as_usual().raise_by(1.15, FAILURE).raise_by(1.04, LATENCY).verdict()
    parts = [node for node, scope in enumerate(found.verdict.lattice.scopes) if scope]
    assert found.score[parts].max() < 1.0


def test_when_an_operator_has_a_mood_none_of_its_firmwares_is_suspected() -> None:
    found = as_usual().raise_by(1.2, FAILURE, operator="norvik").verdict()
    lattice = found.verdict.lattice
    inside = [node for node, scope in enumerate(lattice.scopes) if dict(scope).get("operator") == "norvik"]
    deeper = [node for node in inside if len(lattice.scopes[node]) > 1]
    assert found.score[deeper].max() < 1.0


@settings(max_examples=25)
@given(st.floats(0.05, 0.98))
def test_a_fall_is_no_rise_anywhere_least_of_all_of_those_that_did_not_fall(factor: float) -> None:
    span = as_usual()
    for operator in ("altura", "norvik"):
        span.raise_by(factor, FAILURE, operator=operator)
    assert span.verdict().score.max() <= 0.0


def test_what_is_statistically_sure_but_too_small_to_matter_is_nothing() -> None:
    found = as_usual(units=1e8).raise_by(1.02, LATENCY, firmware="tv-1.1").verdict()
    assert (found.score[:, :-1] == NOTHING).all()


def test_a_small_rise_of_several_kinds_is_stronger_together_than_any_alone() -> None:
    span = as_usual()
    for channel in CHANNELS:
        if channel.signal in ("failure", "denial", "timeout", "retry", "out_of_order", "gap"):
            span.raise_by(1.25, channel, firmware="tv-1.1")
    found = span.verdict()
    assert strongest(found) == ((("firmware", "tv-1.1"),), None)
    node = found.verdict.lattice.node[("firmware", "tv-1.1"),]
    assert found.score[node, -1] > 1.5 * found.score[node, :-1].max()


def test_a_rise_of_one_signal_over_all_operations_is_stronger_pooled() -> None:
    span = as_usual(units=500.0)
    for operation in TABLE.operations:
        span.raise_by(2.0, Channel(operation, "failure"), device_class="tv")
    found = span.verdict()
    assert strongest(found) == ((("device_class", "tv"),), Channel(EVERY, "failure"))


def test_what_a_known_incident_explains_is_not_found_again_in_its_relatives() -> None:
    firmware: Scope = (("firmware", "tv-1.1"),)
    span = as_usual().raise_by(2.0, FAILURE, firmware="tv-1.1")
    assert span.verdict().score.max() > 20.0
    assert span.verdict(explained=(firmware,)).score.max() < 1.0


def test_a_second_fault_is_found_beside_a_known_one() -> None:
    firmware: Scope = (("firmware", "tv-1.1"),)
    span = as_usual().raise_by(2.0, FAILURE, firmware="tv-1.1").raise_by(1.6, FAILURE, firmware="stb-1.0")
    found = span.verdict(explained=(firmware,))
    channel = place(FAILURE)
    assert dict(found.verdict.lattice.scopes[int(np.argmax(found.score[:, channel]))]) == {"firmware": "stb-1.0"}


def test_a_single_cohort_proves_no_more_than_tails_like_those_of_its_days_leave() -> None:
    """One cohort of three goes wild: its firmware stands out, on the word of that cohort alone."""
    found = as_usual().raise_by(4.0, FAILURE, operator="altura", firmware="tv-1.1").verdict()
    channel = place(FAILURE)
    node = found.verdict.lattice.node[("firmware", "tv-1.1"),]
    score = float(found.score[node, channel])
    left = tempered(score, PRIOR_TAIL)
    assert score > 2 * left
    assert found.capped(node, channel, None) <= left + 1.0


def test_several_cohorts_together_may_prove_more() -> None:
    found = as_usual().raise_by(4.0, FAILURE, firmware="tv-1.1").verdict()
    channel = place(FAILURE)
    node = found.verdict.lattice.node[("firmware", "tv-1.1"),]
    assert found.capped(node, channel, None) > 2 * tempered(float(found.score[node, channel]), PRIOR_TAIL)


def test_where_days_are_gaussian_a_single_cohort_proves_all_that_it_shows() -> None:
    found = as_usual().raise_by(4.0, FAILURE, operator="altura", firmware="tv-1.1").verdict(tail=0.0)
    node = found.verdict.lattice.node[("firmware", "tv-1.1"),]
    assert found.capped(node, place(FAILURE), None) == pytest.approx(float(found.score[node, place(FAILURE)]))


def test_over_days_a_single_day_of_a_cohort_proves_no_more_than_its_tails_leave() -> None:
    days = 3
    calm = as_usual(UNITS)
    channel = place(FAILURE)

    def scored(factors: tuple[float, ...]) -> tuple[float, float]:
        by_day = [as_usual().raise_by(f, FAILURE, operator="altura", firmware="tv-1.1") for f in factors]
        span = Span(days * calm.n, np.sum([day.x for day in by_day], axis=0), days * calm.expected)
        given = span.verdict(span="3d")
        found = [day.residuals() for day in by_day]
        names = ("value", "sampling", "weight", "own")
        stacked = Residuals(*(np.stack([getattr(one, name) for one in found]) for name in names))
        node = given.verdict.lattice.node[("operator", "altura"), ("firmware", "tv-1.1")]
        return float(given.score[node, channel]), given.capped(node, channel, stacked)

    score, capped = scored((1.0, 7.0, 1.0))
    alone = tempered(score, PRIOR_TAIL)
    assert score > 2 * alone
    assert capped <= alone + 1.0
    score, capped = scored((3.0, 3.0, 3.0))
    assert capped > 2 * tempered(score, PRIOR_TAIL)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_a_capped_score_is_never_higher(seed: int) -> None:
    draw = np.random.default_rng(seed)
    span = as_usual()
    span.x *= np.where(SHIFT, 1.0, draw.lognormal(0.3, 0.5, span.x.shape))
    found = span.verdict()
    for node in range(0, len(found.verdict.lattice.scopes), 3):
        for channel in (0, len(JUDGED) // 2, len(JUDGED)):
            # `tempered` leaves a few hundredths more of very little evidence, see the tests of tails.
            assert found.capped(node, channel, None) <= found.score[node, channel] + 0.07


# -- operations against each other -----------------------------------------------------------------------------------

STALL = Channel("stall", "latency")


def test_one_operation_is_seen_beside_moods_that_hide_it_from_a_plain_look() -> None:
    """Each cohort's day is its own, in all operations alike; beneath, one operation of one firmware is 10 % slower."""
    span = as_usual().raise_by(1.1, LATENCY, firmware="tv-1.1")
    moods = np.random.default_rng(3).normal(0.0, 0.2, len(span.n))
    for channel in (LATENCY, STALL):
        at = CHANNELS.index(channel)
        span.x[:, at] += moods * span.n[:, at]
    found = span.verdict()
    node = found.verdict.lattice.node[("firmware", "tv-1.1"),]
    contrast = place(LATENCY, against=True)
    assert int(np.argmax(found.b[:, contrast] / np.sqrt(np.maximum(found.c[:, contrast], 1e-9)))) == node
    assert found.effect[node, contrast] == pytest.approx(np.log(1.1), abs=0.02)
    assert found.score[node, contrast] > 5.0
    assert found.score[node, place(LATENCY)] < 2.0


def test_a_common_mood_of_all_operations_is_no_contrast_anywhere() -> None:
    found = as_usual().raise_by(1.5, LATENCY, firmware="tv-1.1").raise_by(1.5, STALL, firmware="tv-1.1").verdict()
    contrasts = [place(LATENCY, against=True), place(STALL, against=True)]
    assert (found.score[:, contrasts] == NOTHING).all()
    assert found.score[:, place(Channel(EVERY, "latency"))].max() > 10.0


def test_an_operation_that_stays_while_the_others_get_faster_is_not_slow() -> None:
    found = as_usual().raise_by(0.7, STALL, firmware="tv-1.1").verdict()
    assert found.score[:, place(LATENCY, against=True)].max() < 1.0
