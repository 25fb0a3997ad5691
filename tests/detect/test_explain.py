"""What a finding says: signals, figures, onset, shape, contrast, ledger."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from pipeline.detect.breach import Breaches
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Anchors
from pipeline.detect.explain import MOST_LEDGER, Explainer
from pipeline.detect.history import BLOCK_MS, BLOCKS, SPANS, STEP_MS, History, Span
from pipeline.detect.judge import Judge
from pipeline.detect.references import References
from pipeline.incidents.life import Finding, Incidents
from pipeline.intent import default
from tests.detect.planted import CHANNELS, FAILURE, FLEET, LATENCY, SHARE, SHIFT, anchors

ENTRIES = BLOCKS
"""Blocks of two hours: seven days."""
FIRST = 10_000
UNITS = 2_000.0
FIRMWARE = (("firmware", "tv-1.1"),)


def found(
    *planted: tuple[Channel, list[float]],
    scope: tuple[tuple[str, str], ...] = FIRMWARE,
    lag_ms: float = 0.0,
    seed: int | None = None,
    span: Span = SPANS[-1],
    known: Anchors | None = None,
) -> Finding:
    """The finding at `scope` when each channel had these factors, entry by entry, on that scope alone.

    Counted to the letter, or drawn when there is a seed.
    """
    references = References()
    references.take(known or anchors())
    history = History(references)
    judge = Judge(references, history, 0.5)
    assert judge.ready()
    lattice = judge.lattice
    assert lattice is not None
    rows, columns = judge.rows, np.arange(len(CHANNELS))
    n = np.full((len(rows), len(CHANNELS)), UNITS)
    inside = [leaf for leaf, cohort in enumerate(lattice.cohorts) if lattice.contains(scope, cohort)]
    draw = np.random.default_rng(seed)
    steps = BLOCK_MS // STEP_MS
    for entry in range(ENTRIES):
        factor = np.ones(n.shape)
        for channel, factors in planted:
            factor[inside, CHANNELS.index(channel)] = factors[entry]
        x = np.where(SHIFT, np.log(factor) * n, SHARE * n * factor)
        if seed is not None:
            x = np.where(SHIFT, x + draw.normal(0.0, np.sqrt(0.09 * n)), draw.poisson(np.where(SHIFT, 0.0, x)))
        for step in range(steps):
            history.advance((FIRST + entry) * steps + step)
            history.count(rows, columns, n / steps, x / steps)
    history.advance((FIRST + ENTRIES) * steps)
    given = judge.verdict(span).given([])
    lag = {int(row): lag_ms for row in rows}
    breaches = Breaches(default(), references, Incidents())
    explainer = Explainer(references, history, judge, default(), breaches)
    return explainer.finding(given, history.totals(rows, span), lattice.node[scope], [], 2.302585, lag)[0]


def step(factor: float, at: int) -> list[float]:
    return [1.0] * at + [factor] * (ENTRIES - at)


def ramp(factor: float, at: int) -> list[float]:
    return [float(factor ** (max(0, i - at) / (ENTRIES - at))) for i in range(ENTRIES)]


@pytest.mark.parametrize("channel", [FAILURE, LATENCY, Channel(EVERY, "gap")])
@pytest.mark.parametrize("entry", [3, 21, 40])
def test_the_onset_of_a_step_is_the_entry_it_began_in_however_little_of_the_span_it_fills(
    channel: Channel, entry: int
) -> None:
    finding = found((channel, step(4.0, entry)))
    assert finding.onset_at == (FIRST + entry) * BLOCK_MS
    assert finding.signals[0].shape == "step"


def test_the_onset_is_on_the_clock_of_the_devices() -> None:
    assert found((FAILURE, step(2.0, 9)), lag_ms=90_000.0).onset_at == (FIRST + 9) * BLOCK_MS - 90_000


@pytest.mark.parametrize("channel", [FAILURE, LATENCY])
def test_what_grows_for_days_is_a_drift(channel: Channel) -> None:
    finding = found((channel, ramp(2.5, 7)))
    assert finding.signals[0].shape == "drift"


def test_a_tail_that_grows_while_the_middle_stays_is_a_spread() -> None:
    signal = found((Channel("playback_start", "tail"), step(3.0, 0))).signals[0]
    assert (signal.signal, signal.shape, signal.quantile) == ("latency", "spread", 0.99)
    assert signal.expected == pytest.approx(2_400.0)
    # An exponential tail of slope 0.4: three times as many beyond is a quantile higher by 3 ** 0.4.
    assert signal.ratio == pytest.approx(3**0.4, rel=1e-3)


def test_figures_are_in_the_units_of_the_wire() -> None:
    latency, failure = (found((channel, step(1.5, 0))).signals[0] for channel in (LATENCY, FAILURE))
    assert (latency.observed, latency.expected, latency.ratio, latency.quantile) == (1_200.0, 800.0, 1.5, 0.5)
    assert (failure.observed, failure.expected, failure.ratio, failure.quantile) == (0.03, 0.02, 1.5, None)


def test_signals_come_strongest_first_and_their_shares_sum_to_one() -> None:
    finding = found((FAILURE, step(1.4, 0)), (LATENCY, step(2.0, 0)), (Channel(EVERY, "gap"), step(1.9, 0)))
    assert {signal.signal for signal in finding.signals} == {"latency", "failure", "gap"}
    shares = [signal.share for signal in finding.signals]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0, abs=0.002)


def test_what_does_not_deviate_is_not_mentioned() -> None:
    assert [signal.signal for signal in found((FAILURE, step(2.0, 0))).signals] == ["failure"]


def test_severity_and_services_follow_the_operation() -> None:
    finding = found((FAILURE, step(2.0, 0)))
    assert (finding.severity, finding.services) == ("page", ("playback",))


def test_a_signal_over_all_operations_touches_all_that_there_are() -> None:
    finding = found((Channel(EVERY, "gap"), step(2.0, 0)))
    assert finding.signals[0].operation == "*"
    assert (finding.severity, finding.services) == ("page", ("playback",))


def test_the_evidence_is_told_as_a_power_of_ten() -> None:
    assert found((FAILURE, step(2.0, 0))).evidence == 1.0


def test_the_summary_names_scope_change_and_who_is_not_affected() -> None:
    assert found((FAILURE, step(2.0, 0))).summary == (
        "Firmware tv-1.1: playback_start failures 4 % instead of 2 %, "
        "since 1974-07-25 16:00 UTC; 3 cohorts affected, the other 9 move as expected (not stb-1.0, stb-1.1, tv-1.0)."
    )


def test_of_the_whole_fleet_it_is_said_as_such() -> None:
    finding = found((LATENCY, step(2.0, 0)), scope=())
    assert finding.scope == ()
    assert finding.summary.startswith(
        "The whole fleet: playback_start latency 1600 ms instead of 800 ms (+100 %), since "
    )
    assert finding.summary.endswith("12 cohorts affected, no cohort is left to compare with.")


# -- since when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("channel", [FAILURE, LATENCY])
def test_the_onset_lies_within_its_interval_and_so_does_the_truth(channel: Channel, seed: int) -> None:
    finding = found((channel, step(1.5, 20)), seed=seed)
    assert finding.onset_from is not None
    assert finding.onset_until is not None
    assert finding.onset_from <= finding.onset_at <= finding.onset_until
    assert finding.onset_from <= (FIRST + 20) * BLOCK_MS <= finding.onset_until
    assert finding.signals[0].shape == "step"


def test_what_began_within_the_last_hours_is_timed_to_a_quarter_of_an_hour() -> None:
    finding = found((FAILURE, step(8.0, ENTRIES - 1)), span=SPANS[2])
    assert finding.onset_at == (FIRST + ENTRIES - 1) * BLOCK_MS
    assert finding.onset_until is not None
    assert finding.onset_until - finding.onset_at < BLOCK_MS


# -- who is not affected ---------------------------------------------------------------------------------------------


def test_affected_and_unaffected_are_all_cohorts_that_are_judged() -> None:
    finding = found((FAILURE, step(2.0, 0)))
    assert (finding.affected, finding.unaffected) == (3, len(FLEET) - 3)


def test_the_contrast_names_siblings_with_what_they_show() -> None:
    finding = found((FAILURE, step(2.0, 0)))
    assert {one.scope["firmware"] for one in finding.contrast} == {"stb-1.0", "stb-1.1", "tv-1.0"}
    for one in finding.contrast:
        assert (one.observed, one.expected, one.ratio, one.cohorts) == (0.02, 0.02, 1.0, 3)


def test_the_contrast_of_a_scope_of_two_dimensions_changes_one_at_a_time() -> None:
    finding = found((FAILURE, step(3.0, 0)), scope=(("operator", "norvik"), ("device_class", "tv")))
    beside = {(one.scope["operator"], one.scope["device_class"]) for one in finding.contrast}
    assert beside == {("altura", "tv"), ("tessera", "tv"), ("norvik", "stb")}


def test_of_the_whole_fleet_there_is_no_contrast() -> None:
    finding = found((LATENCY, step(2.0, 0)), scope=())
    assert (finding.contrast, finding.affected, finding.unaffected) == ((), len(FLEET), 0)


# -- what it rests on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_the_ledger_adds_up_to_the_evidence_of_the_leading_signal(seed: int | None) -> None:
    """The peak b^2 / 2c of what was there since the change: of the whole span, less what the time before thins out."""
    finding = found((LATENCY, step(1.2, 15)), seed=seed)
    lead = finding.signals[0]
    told = [entry for entry in finding.ledger if (entry.operation, entry.signal) == (lead.operation, lead.signal)]
    assert lead.ratio_low is not None
    assert lead.ratio_high is not None
    effect = np.log(lead.ratio_low * lead.ratio_high) / 2
    error = np.log(lead.ratio_high / lead.ratio_low) / 2 / 1.96
    since = (ENTRIES - 15) / ENTRIES
    nats = effect**2 / error**2 / 2 / since
    assert sum(entry.nats for entry in told) == pytest.approx(nats, rel=0.05 if seed is None else 0.25)


def test_the_ledger_is_in_order_of_time_and_tells_when_evidence_came() -> None:
    finding = found((FAILURE, step(2.0, 30)), (LATENCY, step(1.5, 30)), seed=1)
    assert [entry.at for entry in finding.ledger] == sorted(entry.at for entry in finding.ledger)
    assert len(finding.ledger) <= MOST_LEDGER
    assert all(entry.at < entry.until for entry in finding.ledger)
    assert {(entry.operation, entry.signal) for entry in finding.ledger} == {
        (signal.operation, signal.signal) for signal in finding.signals
    }
    begun = (FIRST + 30) * BLOCK_MS
    after = sum(entry.nats for entry in finding.ledger if entry.at >= begun)
    before = sum(entry.nats for entry in finding.ledger if entry.until <= begun)
    assert after > 10.0
    assert abs(before) < 0.2 * after


def test_the_interval_of_a_ratio_holds_what_was_planted() -> None:
    finding = found((LATENCY, step(1.3, 0)), seed=5)
    lead = finding.signals[0]
    assert lead.ratio_low is not None
    assert lead.ratio_high is not None
    assert lead.ratio_low < 1.3 < lead.ratio_high


def test_confidence_says_of_what_the_finding_rests_on() -> None:
    confidence = found((FAILURE, step(3.0, 0))).confidence
    assert confidence is not None
    assert confidence.scope > 0.9
    assert confidence.anchor_days == 7.0
    assert (confidence.borrowed, confidence.calibrated_weeks) == ([], 0.0)


def test_a_clear_shape_has_better_odds_than_an_unclear_one() -> None:
    clear, unclear = (found((FAILURE, step(factor, 21)), seed=1).confidence for factor in (4.0, 1.2))
    assert clear is not None
    assert unclear is not None
    assert clear.shape_odds > unclear.shape_odds >= 0.0


def test_confidence_says_how_far_the_anchors_have_moved_who_moved_them_and_what_is_doubtful() -> None:
    plain = anchors()
    told = msgspec.structs.replace(
        plain,
        first_level=plain.level / np.where(SHIFT, 1.0, 1.25),
        accepted=["by anna: agreed" if cohort.firmware == "tv-1.1" else "" for cohort in plain.cohorts],
        doubt=["a break on day 4" if cohort.operator == "norvik" else "" for cohort in plain.cohorts],
    )
    confidence = found((FAILURE, step(3.0, 0)), known=told).confidence
    assert confidence is not None
    assert confidence.anchor_moved == pytest.approx(1.25)
    assert confidence.accepted == ["by anna: agreed"]
    assert confidence.doubts == ["a break on day 4"]
    untouched = found((FAILURE, step(3.0, 0))).confidence
    assert untouched is not None
    assert (untouched.anchor_moved, untouched.accepted, untouched.doubts) == (1.0, [], [])
