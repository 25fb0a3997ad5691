"""What must hold of the pure chain whatever comes: laws of order, copies, restarts, names, sizes and common shocks.

On a small fleet, at the level of windows where records would add nothing but time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import groupby
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.snapshot import Plain
from pipeline.engine import Engine, Output
from pipeline.ingest import Ingest
from pipeline.intent import default
from pipeline.messages import Incident, Tick, Windows
from pipeline.observation import Cohort
from pipeline.records import RecordBatch
from pipeline.simulate.events import simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import OPERATIONS, Fleet
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.windows import SOURCE, simulate_windows
from pipeline.simulate.world import draw_world

Message = Windows | Tick

MONDAY = 1_767_571_200_000
HOUR_MS = 3_600_000
BEFORE = 25 * 60
"""Minutes: a day and an hour, so that there is something to judge by."""
AFTER = 120
FLEET = Fleet(
    operators=("altura", "norvik"),
    device_classes=("stb", "tv"),
    firmwares=2,
    certification_operators=0,
    certification_firmwares=0,
    operations=OPERATIONS[:2],
    events_per_minute=60.0,
    nuisances=parse_nuisances(["all=0", "daily=1", "bursts=1", "disorder=1"]),
)
SLOW = f"latency*3@device_class=tv,from={BEFORE}m"

few = settings(max_examples=5)


def messages(*faults: str, fleet: Fleet = FLEET, minutes: int = BEFORE + AFTER) -> list[Message]:
    parsed = tuple(parse_fault(text) for text in faults)
    return list(simulate_windows(draw_world(fleet, parsed, seed=1, start_ms=MONDAY, minutes=minutes)))


@cache
def slow() -> list[Message]:
    """Two hours in which one class is slow, after a day that was quiet."""
    return messages(SLOW)


def split(said: list[Message], minute: int) -> int:
    """Index of the first message after so many minutes."""
    return next(i for i, message in enumerate(said) if message.minute >= MONDAY + minute * 60_000)


def run(said: Iterable[Message], engine: Engine | None = None) -> list[Incident]:
    engine = engine or Engine(default(), source=SOURCE)
    out = Output()
    for message in said:
        engine.windows(message, out)
    return out.incidents


def snapshot(engine: Engine) -> Plain:
    """As it goes to a topic and comes back."""
    state = {"baseline": engine.baseline.snapshot(), "pattern": engine.pattern.snapshot()}
    found: Plain = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    return found


def restored(state: Plain) -> Engine:
    engine = Engine(default(), source=SOURCE)
    engine.baseline.restore(state["baseline"])
    engine.pattern.restore(state["pattern"])
    return engine


@cache
def after_a_day() -> Plain:
    engine = Engine(default(), source=SOURCE)
    assert fired(run(slow()[: split(slow(), BEFORE)], engine)) == []
    return snapshot(engine)


@cache
def straight() -> list[Incident]:
    incidents = run(slow()[split(slow(), BEFORE) :], restored(after_a_day()))
    assert fired(incidents) == [{"device_class": "tv"}]
    return incidents


def fired(incidents: list[Incident]) -> list[dict[str, str]]:
    return [record.scope for record in incidents if record.state == "firing"]


# -- order -----------------------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 2**32))
def test_windows_of_a_minute_may_come_in_any_order_and_in_any_parts(seed: int) -> None:
    lot = Random(seed)
    shuffled: list[Message] = []
    for _, group in groupby(slow()[split(slow(), BEFORE) :], key=lambda message: message.minute):
        *windows, tick = list(group)
        assert isinstance(tick, Tick)
        parts: list[Message] = []
        for window in windows:
            assert isinstance(window, Windows)
            cohorts = list(window.cohorts)
            lot.shuffle(cohorts)
            cut = lot.randint(0, len(cohorts))
            parts += [
                msgspec.structs.replace(window, cohorts=cohorts[:cut], part=0),
                msgspec.structs.replace(window, cohorts=cohorts[cut:], part=1, rejects={}),
            ]
        lot.shuffle(parts)
        shuffled += [*parts, tick]
    assert run(shuffled, restored(after_a_day())) == straight()


@cache
def records() -> list[dict[str, object]]:
    """Two hours, without what order says something of: sequence numbers, and device clocks, which are learnt."""
    world = draw_world(FLEET, (), seed=2, start_ms=MONDAY, minutes=120)
    lines = [line for batch in simulate(world) for line in batch.ndjson().splitlines()]
    found = [msgspec.json.decode(line) for line in lines]
    for record in found:
        for name in ("seq", "session_id", "occurred_at", "sent_at"):
            record.pop(name, None)
    return found


def windows_of(found: Iterable[dict[str, object]]) -> list[Windows | Tick]:
    ingest = Ingest(SOURCE)
    lines = [msgspec.json.encode(record) for record in found]
    answers = ingest.feed(RecordBatch("-", range(1, len(lines) + 1), lines)) + ingest.flush()
    return [answer for answer in answers if isinstance(answer, Windows | Tick)]


@few
@given(st.integers(0, 2**32))
def test_records_of_a_minute_may_come_in_any_order(seed: int) -> None:
    lot = Random(seed)
    shuffled: list[dict[str, object]] = []
    for _, group in groupby(records(), key=lambda record: int(str(record["received_at"])) // 60_000):
        minute = list(group)
        lot.shuffle(minute)
        shuffled += minute
    assert windows_of(shuffled) == windows_of(records())


# -- copies ----------------------------------------------------------------------------------------------------------


@few
@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_copies_of_records_change_nothing_but_what_is_said_of_copies(seed: int, share: float) -> None:
    lot = Random(seed)
    twice: list[dict[str, object]] = []
    for record in records():
        twice += [record] * (1 + (lot.random() < share))
    before, after = windows_of(records()), windows_of(twice)
    assert [without_copies(message) for message in after] == [without_copies(message) for message in before]


def without_copies(message: Windows | Tick) -> object:
    if isinstance(message, Tick):
        return message
    cohorts = [
        msgspec.structs.replace(
            cohort, duplicates=0, rates={name: rate for name, rate in cohort.rates.items() if name != "duplicate"}
        )
        for cohort in message.cohorts
    ]
    return msgspec.structs.replace(message, cohorts=cohorts)


# -- restarts --------------------------------------------------------------------------------------------------------


@few
@given(st.floats(0.0, 1.0))
def test_a_chain_that_is_stopped_anywhere_goes_on_as_if_it_had_not_been(where: float) -> None:
    said = slow()[split(slow(), BEFORE) :]
    cut = round(where * len(said))
    engine = restored(after_a_day())
    before = run(said[:cut], engine)
    assert before + run(said[cut:], restored(snapshot(engine))) == straight()


def test_a_chain_that_is_stopped_while_it_learns_goes_on_as_if_it_had_not_been() -> None:
    """Cut points are being read, anchors are young, histograms half full."""
    said = slow()
    engine = Engine(default(), source=SOURCE)
    incidents: list[Incident] = []
    first = 0
    for minute in (61, 119, 130, 700, BEFORE - 1):
        at = split(said, minute) + 1  # in the midst of a minute
        incidents += run(said[first:at], engine)
        engine, first = restored(snapshot(engine)), at
    incidents += run(said[first : split(said, BEFORE)], engine)
    assert incidents == []
    assert snapshot(engine) == after_a_day()


# -- names and sizes -------------------------------------------------------------------------------------------------


@settings(max_examples=2)
@given(st.permutations(["altura", "norvik", "zeta"]), st.permutations(["stb", "tv", "aerial"]), st.booleans())
def test_other_names_give_the_same_incidents_under_the_other_names(
    operators: list[str], classes: list[str], backwards: bool
) -> None:
    names = dict(zip(["altura", "norvik", "zeta"], operators, strict=True))
    names |= dict(zip(["stb", "tv", "aerial"], classes, strict=True))

    def new(name: str) -> str:
        return names.get(name, name[::-1] if backwards else name)

    def renamed(message: Message) -> Message:
        if isinstance(message, Tick):
            return message
        cohorts = [
            msgspec.structs.replace(cohort, device_class=new(cohort.device_class), firmware=new(cohort.firmware))
            for cohort in message.cohorts
        ]
        return msgspec.structs.replace(message, operator=new(message.operator), cohorts=cohorts)

    other = run(map(renamed, slow()))
    plain = run(slow())
    assert [(one.state, one.kind, one.severity, one.at, one.onset_at) for one in other] == [
        (one.state, one.kind, one.severity, one.at, one.onset_at) for one in plain
    ]
    assert [one.scope for one in other] == [{key: new(value) for key, value in one.scope.items()} for one in plain]
    assert [one.evidence for one in other] == pytest.approx([one.evidence for one in plain], abs=0.05)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_with_other_volumes_it_is_the_same_scope_and_the_same_direction(factor: float) -> None:
    other = replace(FLEET, events_per_minute=60.0 * factor)
    incidents = run(messages(SLOW, fleet=other))
    assert fired(incidents)[0] == {"device_class": "tv"}
    leads = {record.signals[0].signal for record in incidents}
    assert leads == {"latency"}
    for record in incidents:
        assert record.signals[0].direction == "up"
        # Of thinner data a longer span is asked, and what that has of the time before thins the ratio out.
        assert record.signals[0].ratio is not None
        assert 1.5 < record.signals[0].ratio < 3.6


# -- shocks ----------------------------------------------------------------------------------------------------------


@settings(max_examples=4)
@given(st.sampled_from([1.05, 1.1]), st.integers(60, 110), st.sampled_from(["", "operator=altura,"]))
def test_a_shock_that_all_siblings_share_fires_nothing(factor: float, lasts: int, whom: str) -> None:
    """As a network has them: slower by up to a tenth for an hour or two, at one operator or at all."""
    shock = f"latency*{factor}@{whom}from={BEFORE + 5}m,until={BEFORE + 5 + lasts}m"
    said = messages(shock)
    assert fired(run(said[split(said, BEFORE) :], restored(after_a_day()))) == []


def test_of_a_change_that_all_share_no_part_is_blamed() -> None:
    said = messages(f"latency*3@from={BEFORE}m")
    scopes = fired(run(said[split(said, BEFORE) :], restored(after_a_day())))
    assert scopes
    assert scopes == [{}] * len(scopes)


# -- nothing is made up ----------------------------------------------------------------------------------------------


def test_every_scope_that_is_named_exists() -> None:
    known = {
        Cohort(message.operator, cohort.device_class, cohort.firmware, cohort.environment)
        for message in slow()
        if isinstance(message, Windows)
        for cohort in message.cohorts
    }
    for record in straight():
        assert any(record.scope.items() <= cohort._asdict().items() for cohort in known)
