"""The scenario suite in small: one seed of the small fleet, a strong fault, and what was recorded on the way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.detect.evidence import Evidence
from pipeline.messages import Tick
from tests.bench.detect.outcome import Outcome
from tests.bench.detect.recordings import CHUNK, Message, Recording
from tests.bench.detect.run import run_scenarios
from tests.bench.detect.scenarios import DAY, HOUR, Scenario
from tests.bench.detect.worlds import HISTORY_DAYS, Setting, fault_setting

SLOW = Scenario(
    "slow",
    "one firmware: +40 %",
    lambda t: [f"latency*1.4@firmware={t.firmware(2)}"],
    limit=8 * HOUR,
    horizon=12 * HOUR,
)
SEED = 4
"""Its history ends at midnight."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def outcome(cache: Path) -> Outcome:
    (one,) = run_scenarios(cache, fault_setting(SEED, "small"), [SLOW], False, lambda _: None)
    return one


def test_a_strong_fault_is_named_exactly_and_in_time_and_nothing_else_is_said(outcome: Outcome) -> None:
    assert outcome.exact is not None
    assert outcome.exact <= SLOW.limit
    assert outcome.alarm is not None
    assert outcome.alarm <= outcome.exact
    # A feed that was silent is one, and rightly told.
    assert [alarm for alarm in outcome.before if alarm.kind != "feed"] == []
    assert outcome.others == []
    assert outcome.floor is not None
    assert outcome.floor < outcome.exact


def test_a_run_on_recordings_says_what_the_run_that_made_them_said(cache: Path, outcome: Outcome) -> None:
    made = sorted(path.stat().st_mtime_ns for path in cache.rglob("*.zst"))
    assert made
    assert run_scenarios(cache, fault_setting(SEED, "small"), [SLOW], False, lambda _: None) == [outcome]
    assert sorted(path.stat().st_mtime_ns for path in cache.rglob("*.zst")) == made


def test_a_branch_without_a_fault_goes_on_as_the_history_does(cache: Path, outcome: Outcome) -> None:
    """But for what was under way when it branched off, which arrives within minutes."""
    setting = fault_setting(SEED, "small")
    start = HISTORY_DAYS * DAY
    history = Recording(cache, setting, marks=(start,))
    branch = Recording(cache, setting, (), start, history)
    straight = islice(_minutes(history), start, start + CHUNK)
    pairs = list(zip(straight, islice(_minutes(branch), CHUNK), strict=True))[10:]
    same = sum(np.array_equal(one.n, other.n) and np.array_equal(one.x, other.x) for one, other in pairs)
    assert same > 0.9 * len(pairs)
    assert all(one.minute == other.minute for one, other in pairs)


def _minutes(recording: Recording) -> Iterator[Evidence]:
    return (message for message in recording.messages() if isinstance(message, Evidence))


def test_what_is_read_back_is_what_was_said(tmp_path: Path) -> None:
    setting = Setting(1, 2 * CHUNK, "small")

    def plain(message: Message) -> object:
        if isinstance(message, Tick):
            return message
        return msgspec.structs.asdict(message) | {"expected": None}

    made = Recording(tmp_path, setting)
    straight = [message for chunk in made._make(skip=0) for message in chunk]
    for again in (list(made.messages()), list(Recording(tmp_path, setting).messages())):
        assert len(again) == len(straight)
        for one, other in zip(again, straight, strict=True):
            np.testing.assert_equal(plain(one), plain(other))


def test_recordings_branch_where_chunks_begin(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiples of 360"):
        Recording(tmp_path, Setting(1, DAY, "small"), marks=(100,))
