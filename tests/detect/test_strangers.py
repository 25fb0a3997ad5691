"""Cohorts that are none: a spoilt field makes no pseudo-cohort that is judged."""

from __future__ import annotations

from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Evidence
from pipeline.messages import Rate
from pipeline.observation import Cohort
from tests.detect.material import cohort, evidence_of, minute, rate

STB = Cohort("altura", "stb", "1.0", "production")
LAB = STB._replace(environment="lab")
SPOILT = STB._replace(environment="unknown")
NAMELESS = STB._replace(firmware="unknown")
CONTRACT = Channel(EVERY, "contract")


def closed(baseline: Baseline, at: int, held: dict[Cohort, tuple[int, Rate]]) -> Evidence:
    windows = {of: cohort(of, records, contract=contract) for of, (records, contract) in held.items()}
    return evidence_of(baseline, minute(at), windows)


def judged(evidence: Evidence) -> dict[Cohort, bool]:
    return dict(zip(evidence.cohorts, (~evidence.aside).tolist(), strict=True))


def violations(evidence: Evidence) -> dict[Cohort, tuple[float, float]]:
    column = evidence.channels.index(CONTRACT)
    pairs = zip(evidence.n[:, column].tolist(), evidence.x[:, column].tolist(), strict=True)
    return dict(zip(evidence.cohorts, pairs, strict=True))


def test_a_cohort_of_spoilt_fields_is_shown_and_not_judged() -> None:
    baseline = Baseline(["a"])
    closed(baseline, 0, {STB: (50, rate(50, 0))})
    found = closed(baseline, 1, {STB: (40, rate(40, 0)), SPOILT: (6, rate(6, 6)), NAMELESS: (4, rate(4, 4))})
    assert judged(found) == {STB: True, SPOILT: False, NAMELESS: False}


def test_what_it_violates_counts_where_its_devices_are_at_home() -> None:
    baseline = Baseline(["a"])
    for at in range(130):
        closed(baseline, at, {STB: (50, rate(50, 0)), LAB: (5, rate(5, 0))})
    found = closed(baseline, 130, {STB: (40, rate(40, 0)), LAB: (5, rate(5, 0)), SPOILT: (10, rate(10, 10))})
    assert violations(found) == {STB: (50.0, 10.0), LAB: (5.0, 0.0), SPOILT: (0.0, 0.0)}


def test_where_an_operator_never_sends_the_field_unknown_is_a_value_like_any_other() -> None:
    baseline = Baseline(["a"])
    tv = SPOILT._replace(device_class="tv")
    for at in range(3):
        found = closed(baseline, at, {SPOILT: (50, rate(50, 0)), tv: (50, rate(50, 0))})
    assert judged(found) == {SPOILT: True, tv: True}


def test_where_most_of_a_class_does_not_send_it_unknown_is_a_value_as_well() -> None:
    baseline = Baseline(["a"])
    for at in range(245):
        found = closed(baseline, at, {NAMELESS: (90, rate(90, 0)), STB: (10, rate(10, 0))})
    assert judged(found) == {NAMELESS: True, STB: True}
