"""The drill of the built-in intent, as `seamwatch drill` holds it: minutes of work, the history once for all of it."""

from __future__ import annotations

import pytest

from pipeline.drill.calibrate import Calibrated, calibrate
from pipeline.drill.outcome import Control, Held, Outcome
from pipeline.drill.plan import Planned, default_plan
from pipeline.drill.rehearsal import Known, Make, Rehearsal
from pipeline.drill.streams import SimulatedStream, fleet_of
from pipeline.engine import Engine
from pipeline.intent import Priority, default
from tests.drill.material import Silent, blinded

pytestmark = pytest.mark.timeout(1_500)

STREAM = SimulatedStream(fleet_of(default()))
VITAL = [service.name for service in default().services if service.priority is Priority.NON_NEGOTIABLE]
PLAN = default_plan(default()).only(frozenset(VITAL))


@pytest.fixture(scope="module")
def known() -> Known:
    return Rehearsal(default(), STREAM).known(Silent())


def outcomes(known: Known, faults: tuple[Planned, ...], make: Make = Engine) -> list[Outcome]:
    rehearsal = Rehearsal(default(), STREAM, make)
    ready = [calibrate(planned, known.usual) for planned in faults]
    return [
        rehearsal.outcome(known, one, one.planned.within_ms // 60_000) for one in ready if isinstance(one, Calibrated)
    ]


def held(found: list[Outcome], control: Control) -> Held:
    return Held("default", STREAM.text, dict.fromkeys(VITAL, "non_negotiable"), found, control, [], 0.0)


def test_every_non_negotiable_service_is_proven_and_the_stream_is_quiet_without_faults(known: Known) -> None:
    assert VITAL == ["playback", "entitlement", "licensing"]
    found = held(outcomes(known, PLAN.faults), Rehearsal(default(), STREAM).quiet(known, 12 * 60))
    assert [one.wrong for one in found.outcomes] == [[] for _ in found.outcomes]
    assert (found.unproven, found.control.fired, found.status) == ([], [], 0)
    assert [proof.found for proof in found.proofs(1)] == [True, True, True]


def test_a_blinded_detector_fails_it(known: Known) -> None:
    first = tuple(next(one for one in PLAN.faults if one.service == name) for name in VITAL)
    found = held(outcomes(known, first, blinded), Control(1, []))
    assert (found.unproven, found.status) == (VITAL, 1)
    assert {wrong for one in found.outcomes for wrong in one.wrong} == {"not found"}
