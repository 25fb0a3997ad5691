"""What a finding says: signals, figures, onset, shape."""

from __future__ import annotations

import numpy as np
import pytest

from models.season import SLOT_MS
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.explain import Explainer, SpanSums
from pipeline.detect.judge import Verdict, judged_channels, residuals
from pipeline.detect.lattice import Lattice
from pipeline.detect.moods import Moods
from pipeline.detect.references import References
from pipeline.incidents.life import Finding
from pipeline.intent import default
from tests.detect.planted import CHANNELS, FAILURE, FLEET, LATENCY, SHARE, SHIFT, anchors

ENTRIES = 36
"""Blocks of two hours: three days."""
FIRST = 10_000
UNITS = 2_000.0
FIRMWARE = (("firmware", "tv-1.1"),)
JUDGED = judged_channels(list(CHANNELS))


def found(
    *planted: tuple[Channel, list[float]], scope: tuple[tuple[str, str], ...] = FIRMWARE, lag_ms: float = 0.0
) -> Finding:
    """The finding at `scope` when each channel had these factors, entry by entry, on that scope alone."""
    lattice = Lattice(FLEET)
    references = References()
    references.take(anchors())
    rows = references.rows(lattice.cohorts)
    n = np.full((ENTRIES, len(FLEET), len(CHANNELS)), UNITS)
    expected = np.where(SHIFT, 0.0, SHARE * n)
    x = expected.copy()
    inside = [leaf for leaf, cohort in enumerate(lattice.cohorts) if lattice.contains(scope, cohort)]
    for channel, factors in planted:
        at = CHANNELS.index(channel)
        for leaf in inside:
            if channel.is_shift:
                x[:, leaf, at] += np.log(factors) * n[:, leaf, at]
            else:
                x[:, leaf, at] *= factors
    sums = SpanSums(n, x, expected, np.arange(FIRST, FIRST + ENTRIES), SLOT_MS)
    spread, mass = references.spread[rows], references.mass[rows]
    residual = residuals(JUDGED, n.sum(axis=0), x.sum(axis=0), expected.sum(axis=0), spread, mass, SHIFT)
    variances = Moods().variances([one.channel.signal for one in JUDGED], "3d")
    verdict = Verdict(lattice, JUDGED, residual, variances, [])
    explainer = Explainer(lattice, references, rows, default())
    lag = {int(row): lag_ms for row in rows}
    return explainer.finding(verdict, sums, verdict.reading(lattice.node[scope], True), 2.302585, lag)[0]


def step(factor: float, at: int) -> list[float]:
    return [1.0] * at + [factor] * (ENTRIES - at)


def ramp(factor: float, at: int) -> list[float]:
    return [float(factor ** (max(0, i - at) / (ENTRIES - at))) for i in range(ENTRIES)]


@pytest.mark.parametrize("channel", [FAILURE, LATENCY, Channel(EVERY, "gap")])
@pytest.mark.parametrize("entry", [3, 18, 33])
def test_the_onset_of_a_step_is_the_entry_it_began_in_however_little_of_the_span_it_fills(
    channel: Channel, entry: int
) -> None:
    finding = found((channel, step(4.0, entry)))
    assert finding.onset_at == (FIRST + entry) * SLOT_MS
    assert finding.signals[0].shape == "step"


def test_the_onset_is_on_the_clock_of_the_devices() -> None:
    assert found((FAILURE, step(2.0, 18)), lag_ms=90_000.0).onset_at == (FIRST + 18) * SLOT_MS - 90_000


@pytest.mark.parametrize("channel", [FAILURE, LATENCY])
def test_what_grows_for_days_is_a_drift(channel: Channel) -> None:
    finding = found((channel, ramp(2.5, 6)))
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
        "since 1972-04-13 08:00 UTC; 3 cohorts affected, the other 9 move as expected."
    )


def test_of_the_whole_fleet_it_is_said_as_such() -> None:
    finding = found((LATENCY, step(2.0, 0)), scope=())
    assert finding.scope == ()
    assert finding.summary.startswith(
        "The whole fleet: playback_start latency 1600 ms instead of 800 ms (+100 %), since "
    )
    assert finding.summary.endswith("12 cohorts affected, no cohort is left to compare with.")
