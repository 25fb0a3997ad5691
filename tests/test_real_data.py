"""Recorded data: bounds on what is found and what is said for nothing. The figures are in docs/real-data.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.real.data import missing
from tests.bench.real.series import cloud, nab_score, write_nab_scores
from tests.bench.real.sessions import first_firing, phones, said_of


@pytest.mark.skipif(missing("nab") is not None, reason=str(missing("nab")))
def test_the_path_of_aggregates_scores_above_a_windowed_gaussian_on_nab(tmp_path: Path) -> None:
    """39.6 over all of its files; the published leader has 74.9."""
    assert write_nab_scores(tmp_path) == 27
    assert nab_score(tmp_path)["standard"] > 55.0


@pytest.mark.skipif(missing("ms_cloud") is not None, reason=str(missing("ms_cloud")))
def test_in_the_series_of_a_cloud_two_events_of_five_are_found_at_one_other_alarm_a_week() -> None:
    judged = list(cloud())
    assert sum(one.events for one in judged) == 142
    assert sum(one.found for one in judged) >= 55
    assert sum(one.false for one in judged) <= 1.2 * sum(one.weeks for one in judged)


@pytest.mark.skipif(missing("ooo_http") is not None, reason=str(missing("ooo_http")))
@pytest.mark.parametrize("session", ["d-1", "d-2"])
def test_of_phones_as_they_were_recorded_nothing_is_said(session: str) -> None:
    lines, _ = phones(session)
    assert list(first_firing(said_of(lines))) == []
