"""One span judged: what is strongest where, and what is nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.channels import EVERY, OPERATION_SIGNALS, Channel, ChannelTable
from pipeline.detect.judge import CAP_NATS, NOTHING, Floats, Judged, Residuals, Verdict, judged_channels, residuals
from pipeline.detect.lattice import Lattice, Scope
from pipeline.detect.moods import Moods
from pipeline.observation import Cohort

FLEET = [
    Cohort(operator, kind, f"{kind}-{version}", "production")
    for operator in ("altura", "norvik", "tessera")
    for kind in ("stb", "tv")
    for version in ("1.0", "1.1")
]
TABLE = ChannelTable(("playback_start", "stall"))
CHANNELS = TABLE.channels
SHIFT = np.array([channel.is_shift for channel in CHANNELS])
JUDGED = judged_channels(CHANNELS)
UNITS = 20_000.0
SHARE = 0.02
SPREAD = 0.09


@dataclass(slots=True)
class Span:
    """What was counted; everything as expected until something is planted."""

    n: Floats
    x: Floats
    expected: Floats

    def raise_by(self, factor: float, channel: Channel, **scope: str) -> Span:
        at = CHANNELS.index(channel)
        for leaf, cohort in enumerate(FLEET):
            if all(getattr(cohort, name) == value for name, value in scope.items()):
                if channel.is_shift:
                    self.x[leaf, at] += np.log(factor) * self.n[leaf, at]
                else:
                    self.x[leaf, at] *= factor
        return self

    def residuals(self, judged: list[Judged] | None = None) -> Residuals:
        shape = self.n.shape
        return residuals(
            judged or JUDGED,
            self.n,
            self.x,
            self.expected,
            spread=np.where(SHIFT, np.full(shape, SPREAD), 0.0),
            mass=np.full(shape, 7 * UNITS),
            shift=SHIFT,
        )

    def verdict(self, explained: tuple[Scope, ...] = (), span: str = "1d") -> Verdict:
        lattice = Lattice(FLEET)
        variances = Moods().variances([one.channel.signal for one in JUDGED], span)
        return Verdict(lattice, JUDGED, self.residuals(), variances, [lattice.node[scope] for scope in explained])


def as_usual(units: float = UNITS) -> Span:
    shape = (len(FLEET), len(CHANNELS))
    n = np.full(shape, units)
    expected = np.where(SHIFT, 0.0, SHARE * n)
    return Span(n, expected.copy(), expected)


def strongest(verdict: Verdict) -> tuple[Scope, Channel | None]:
    node, at = np.unravel_index(int(np.argmax(verdict.score)), verdict.score.shape)
    return verdict.lattice.scopes[int(node)], JUDGED[int(at)].channel if at < len(JUDGED) else None


FAILURE = Channel("playback_start", "failure")
LATENCY = Channel("playback_start", "latency")


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
    verdict = as_usual().raise_by(factor, channel, **scope).verdict()
    found = {one.channel: i for i, one in enumerate(JUDGED)}[channel]
    node = int(np.argmax(verdict.score[:, found]))
    assert dict(verdict.lattice.scopes[node]) == scope
    assert verdict.effect[node, found] > (0.7 * np.log(factor) if channel.is_shift else 0.7 * (factor - 1.0))


def test_where_all_is_as_usual_nothing_is_said() -> None:
    verdict = as_usual().verdict()
    assert (verdict.score[:, :-1] == NOTHING).all()
    assert (verdict.score[:, -1] == 0.0).all()


def test_when_all_move_alike_no_part_of_the_fleet_is_suspected() -> None:
    verdict = as_usual().raise_by(1.15, FAILURE).raise_by(1.04, LATENCY).verdict()
    parts = [node for node, scope in enumerate(verdict.lattice.scopes) if scope]
    assert verdict.score[parts].max() < 1.0


def test_when_an_operator_has_a_mood_none_of_its_firmwares_is_suspected() -> None:
    verdict = as_usual().raise_by(1.2, FAILURE, operator="norvik").verdict()
    lattice = verdict.lattice
    inside = [node for node, scope in enumerate(lattice.scopes) if dict(scope).get("operator") == "norvik"]
    deeper = [node for node in inside if len(lattice.scopes[node]) > 1]
    assert verdict.score[deeper].max() < 1.0


@settings(max_examples=25)
@given(st.floats(0.05, 0.98))
def test_a_fall_is_no_rise_anywhere_least_of_all_of_those_that_did_not_fall(factor: float) -> None:
    span = as_usual()
    for operator in ("altura", "norvik"):
        span.raise_by(factor, FAILURE, operator=operator)
    assert span.verdict().score.max() <= 0.0


def test_what_is_statistically_sure_but_too_small_to_matter_is_nothing() -> None:
    verdict = as_usual(units=1e8).raise_by(1.02, LATENCY, firmware="tv-1.1").verdict()
    assert (verdict.score[:, :-1] == NOTHING).all()


def test_a_small_rise_of_several_kinds_is_stronger_together_than_any_alone() -> None:
    span = as_usual()
    for channel in CHANNELS:
        if channel.signal in ("failure", "denial", "timeout", "retry", "out_of_order", "gap"):
            span.raise_by(1.25, channel, firmware="tv-1.1")
    verdict = span.verdict()
    assert strongest(verdict) == ((("firmware", "tv-1.1"),), None)
    node = verdict.lattice.node[("firmware", "tv-1.1"),]
    assert verdict.score[node, -1] > 1.5 * verdict.score[node, :-1].max()


def test_a_rise_of_one_signal_over_all_operations_is_stronger_pooled() -> None:
    span = as_usual(units=500.0)
    for operation in TABLE.operations:
        span.raise_by(2.0, Channel(operation, "failure"), device_class="tv")
    verdict = span.verdict()
    assert strongest(verdict) == ((("device_class", "tv"),), Channel(EVERY, "failure"))


def test_what_a_known_incident_explains_is_not_found_again_in_its_relatives() -> None:
    firmware: Scope = (("firmware", "tv-1.1"),)
    span = as_usual().raise_by(2.0, FAILURE, firmware="tv-1.1")
    assert span.verdict().score.max() > 20.0
    assert span.verdict(explained=(firmware,)).score.max() < 1.0


def test_a_second_fault_is_found_beside_a_known_one() -> None:
    firmware: Scope = (("firmware", "tv-1.1"),)
    span = as_usual().raise_by(2.0, FAILURE, firmware="tv-1.1").raise_by(1.6, FAILURE, firmware="stb-1.0")
    verdict = span.verdict(explained=(firmware,))
    channel = [one.channel for one in JUDGED].index(FAILURE)
    assert dict(verdict.lattice.scopes[int(np.argmax(verdict.score[:, channel]))]) == {"firmware": "stb-1.0"}


def test_a_single_cohort_may_not_prove_more_than_the_cap() -> None:
    """One cohort of three goes wild: its firmware stands out, on the word of that cohort alone."""
    span = as_usual().raise_by(4.0, FAILURE, operator="altura", firmware="tv-1.1")
    verdict = span.verdict()
    channel = [one.channel for one in JUDGED].index(FAILURE)
    node = verdict.lattice.node[("firmware", "tv-1.1"),]
    assert verdict.score[node, channel] > 2 * CAP_NATS
    assert verdict.capped(node, channel, None) <= CAP_NATS + 1.0


def test_several_cohorts_together_may() -> None:
    span = as_usual().raise_by(4.0, FAILURE, firmware="tv-1.1")
    verdict = span.verdict()
    channel = [one.channel for one in JUDGED].index(FAILURE)
    node = verdict.lattice.node[("firmware", "tv-1.1"),]
    assert verdict.capped(node, channel, None) > 2 * CAP_NATS


def test_over_days_a_single_day_of_a_cohort_may_not_prove_more_than_the_cap() -> None:
    days = 3
    calm = as_usual(UNITS)
    channel = [one.channel for one in JUDGED].index(FAILURE)

    def scored(factors: tuple[float, ...]) -> tuple[float, float]:
        by_day = [as_usual().raise_by(f, FAILURE, operator="altura", firmware="tv-1.1") for f in factors]
        span = Span(days * calm.n, np.sum([day.x for day in by_day], axis=0), days * calm.expected)
        verdict = span.verdict(span="3d")
        found = [day.residuals() for day in by_day]
        stacked = Residuals(*(np.stack([getattr(one, k) for one in found]) for k in ("value", "sampling", "weight")))
        node = verdict.lattice.node[("operator", "altura"), ("firmware", "tv-1.1")]
        return float(verdict.score[node, channel]), verdict.capped(node, channel, stacked)

    score, capped = scored((1.0, 7.0, 1.0))
    assert score > 2 * CAP_NATS
    assert capped <= CAP_NATS + 1.0
    score, capped = scored((3.0, 3.0, 3.0))
    assert capped > 2 * CAP_NATS


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_a_capped_score_is_never_higher(seed: int) -> None:
    draw = np.random.default_rng(seed)
    span = as_usual()
    span.x *= np.where(SHIFT, 1.0, draw.lognormal(0.3, 0.5, span.x.shape))
    verdict = span.verdict()
    for node in range(0, len(verdict.lattice.scopes), 3):
        for channel in (0, len(JUDGED) // 2, len(JUDGED)):
            assert verdict.capped(node, channel, None) <= verdict.score[node, channel] + 1e-9


# -- residuals -------------------------------------------------------------------------------------------------------


def test_residuals_are_relative_for_shares_and_logs_for_shifts() -> None:
    found = as_usual().raise_by(1.5, FAILURE, firmware="tv-1.1").raise_by(1.2, LATENCY, firmware="tv-1.1").residuals()
    leaf = next(i for i, cohort in enumerate(FLEET) if cohort.firmware == "tv-1.1")
    names = [one.channel for one in JUDGED]
    assert found.value[leaf, names.index(FAILURE)] == pytest.approx(0.5)
    assert found.value[leaf, names.index(LATENCY)] == pytest.approx(np.log(1.2))
    assert found.weight[leaf, names.index(FAILURE)] == pytest.approx(SHARE * UNITS)
    assert found.weight[leaf, names.index(LATENCY)] == pytest.approx(UNITS)


def test_sampling_variance_is_that_of_the_counts_and_of_the_anchor() -> None:
    found = as_usual().residuals()
    names = [one.channel for one in JUDGED]
    hits = SHARE * UNITS
    assert found.sampling[0, names.index(FAILURE)] == pytest.approx((1 - SHARE) / hits + 1 / (7 * UNITS))
    assert found.sampling[0, names.index(LATENCY)] == pytest.approx(SPREAD / UNITS + SPREAD / (7 * UNITS))


def test_without_units_or_without_an_anchor_there_is_no_voice() -> None:
    span = as_usual()
    span.n[0] = span.x[0] = span.expected[0] = 0.0
    found = span.residuals()
    assert np.isinf(found.sampling[0]).all()
    assert (found.weight[0] == 0).all()
    assert np.isfinite(found.sampling[1:]).all()


def test_pooled_over_operations_each_counts_by_what_was_expected_of_it() -> None:
    span = as_usual()
    stall = CHANNELS.index(Channel("stall", "failure"))
    span.n[:, stall] *= 3
    span.expected[:, stall] *= 3
    span.x[:, stall] = span.expected[:, stall]
    span.raise_by(2.0, FAILURE)
    pooled = [one.channel for one in JUDGED].index(Channel(EVERY, "failure"))
    np.testing.assert_allclose(span.residuals().value[:, pooled], 0.25)


# -- what is judged --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operations", [("playback_start",), ("playback_start", "stall", "heartbeat")])
def test_channels_and_the_weak_pattern_share_one_budget(operations: tuple[str, ...]) -> None:
    judged = judged_channels(ChannelTable(operations).channels)
    shares = np.exp([one.log_weight for one in judged])
    assert shares.sum() == pytest.approx(len({one.kind for one in judged}) / (len({one.kind for one in judged}) + 1))
    assert (shares > 0).all()


def test_telemetry_that_is_late_is_not_judged_as_a_pattern() -> None:
    assert not [one for one in JUDGED if one.channel.signal in ("delay", "volume")]


def test_a_single_operation_is_not_judged_twice() -> None:
    judged = judged_channels(ChannelTable(("stall",)).channels)
    signals = [one.channel.signal for one in judged]
    assert len(signals) == len(set(signals))
    assert {one.channel.operation for one in judged if one.channel.signal in OPERATION_SIGNALS} == {"stall"}
