"""Incidents of the telemetry itself."""

from __future__ import annotations

import msgspec

from pipeline.detect.evidence import FeedHealth
from pipeline.detect.feedwatch import FIRING_MINUTES, FeedWatch
from pipeline.incidents.life import Incidents
from pipeline.intent import default
from pipeline.messages import Incident
from tests.detect.material import minute
from tests.detect.planted import FLEET, evidence

QUIET = next(evidence(1 / 288))


class Watched:
    """Feeds minute by minute: `go("silent", 20)` is twenty minutes of silence of altura; norvik is sound throughout."""

    def __init__(self) -> None:
        self.watch, self.incidents = FeedWatch(default()), Incidents()
        self.minute = 0
        self.since = 0
        self.state = "ok"

    def go(self, state: str, minutes: int) -> list[Incident]:
        out: list[Incident] = []
        if state != self.state:
            self.state, self.since = state, self.minute
        for _ in range(minutes):
            feeds = {
                "altura": FeedHealth(state, minute(self.since), 0 if state == "silent" else 100, 100.0),
                "norvik": FeedHealth("ok", minute(0), 100, 100.0),
            }
            said = msgspec.structs.replace(QUIET, minute=minute(self.minute), feeds=feeds)
            out += self.watch.judge(said, self.incidents)
            self.minute += 1
        return out


def test_a_sound_feed_is_no_incident() -> None:
    assert Watched().go("ok", 100) == []


def test_a_feed_that_is_silent_for_a_quarter_of_an_hour_is_a_ticket_of_kind_feed() -> None:
    watched = Watched()
    watched.go("ok", 10)
    assert watched.go("silent", FIRING_MINUTES) == []
    (firing,) = watched.go("silent", 30)
    assert (firing.kind, firing.state, firing.severity) == ("feed", "firing", "ticket")
    assert firing.scope == {"operator": "altura"}
    assert firing.onset_at == minute(10)
    assert firing.at == minute(10 + FIRING_MINUTES)
    (signal,) = firing.signals
    assert (signal.operation, signal.signal, signal.direction) == ("*", "volume", "down")
    assert (signal.observed, signal.expected) == (0.0, 100.0)
    assert firing.summary == (
        "Operator altura: its telemetry is silent since 2026-01-05 00:10 UTC "
        "(0 records a minute instead of 100); nothing is judged by it until it is back."
    )


def test_it_recovers_with_the_first_records_and_is_resolved_when_they_are_trusted() -> None:
    watched = Watched()
    watched.go("silent", 30)
    assert [record.state for record in watched.go("recovering", 10)] == ["recovering"]
    assert [record.state for record in watched.go("ok", 10)] == ["resolved"]


def test_silence_again_before_it_is_trusted_is_the_same_incident_firing() -> None:
    watched = Watched()
    (first,) = watched.go("silent", 30)
    watched.go("recovering", 5)
    (again,) = watched.go("silent", 30)
    assert (again.state, again.incident_id) == ("firing", first.incident_id)


def test_silence_again_within_a_day_reopens_the_incident() -> None:
    watched = Watched()
    (first,) = watched.go("silent", 30)
    watched.go("recovering", 10)
    watched.go("ok", 60)
    (again,) = watched.go("silent", 30)
    assert (again.state, again.incident_id) == ("firing", first.incident_id)
    assert again.onset_at > first.onset_at


def test_a_short_silence_is_no_incident() -> None:
    watched = Watched()
    assert watched.go("silent", FIRING_MINUTES) + watched.go("recovering", 10) + watched.go("ok", 10) == []


def test_every_operator_has_an_incident_of_its_own() -> None:
    watch, incidents = FeedWatch(default()), Incidents()
    silent = {cohort.operator: FeedHealth("silent", minute(0), 0, 100.0) for cohort in FLEET}
    records = watch.judge(msgspec.structs.replace(QUIET, minute=minute(60), feeds=silent), incidents)
    assert [record.scope["operator"] for record in records] == sorted(silent)
    assert len({record.incident_id for record in records}) == len(silent)


def watched(*healths: FeedHealth) -> list[Incident]:
    """What is said of altura, minute by minute."""
    watch, incidents = FeedWatch(default()), Incidents()
    return [
        record
        for number, health in enumerate(healths)
        for record in watch.judge(
            msgspec.structs.replace(QUIET, minute=minute(number), feeds={"altura": health}), incidents
        )
    ]


SOUND = FeedHealth("ok", minute(0), 100, 100.0, None, 900.0, 800.0)
LATE = FeedHealth("ok", minute(0), 100, 100.0, minute(2), 45_900.0, 800.0)


def test_a_feed_that_is_late_is_a_ticket_of_its_own_and_no_silence() -> None:
    firing, recovering, resolved = watched(*[SOUND] * 2, *[LATE] * 20, *[SOUND] * 20)
    assert (firing.kind, firing.state, firing.severity) == ("feed", "firing", "ticket")
    assert firing.at == minute(2 + FIRING_MINUTES)
    assert firing.onset_at == minute(2)
    (signal,) = firing.signals
    assert (signal.signal, signal.direction, signal.observed, signal.expected) == ("delay", "up", 45_900.0, 800.0)
    assert firing.summary == (
        "Operator altura: its telemetry comes late since 2026-01-05 00:02 UTC "
        "(46 s after what it tells of instead of 1 s); "
        "the devices need not be slower for it, and nothing is learnt from it."
    )
    assert [recovering.state, resolved.state] == ["recovering", "resolved"]
    assert {record.incident_id for record in (firing, recovering, resolved)} == {firing.incident_id}


def test_a_device_class_that_is_late_alone_is_named_and_one_whose_operator_is_late_is_not() -> None:
    alone = msgspec.structs.replace(SOUND, parts={"stb": LATE, "tv": SOUND})
    (firing,) = watched(*[alone] * 30)
    assert firing.scope == {"operator": "altura", "device_class": "stb"}
    both = msgspec.structs.replace(LATE, parts={"stb": LATE, "tv": LATE})
    (firing,) = watched(*[both] * 30)
    assert firing.scope == {"operator": "altura"}


def test_a_late_feed_that_falls_silent_is_the_same_incident_and_says_so() -> None:
    silent = FeedHealth("silent", minute(20), 0, 100.0, minute(2))
    first, second = watched(*[LATE] * 20, *[silent] * 20)
    assert first.incident_id == second.incident_id
    assert second.signals[0].signal == "volume"
    assert "silent" in second.summary


def test_a_crowd_of_cohorts_is_told_at_once_and_resolved_when_it_is_over() -> None:
    crowd = msgspec.structs.replace(SOUND, pooled=7, pooled_since=minute(1))
    states = [record.state for record in watched(SOUND, *[crowd] * 5, *[SOUND] * 20)]
    assert states == ["firing", "recovering", "resolved"]
    assert "more firmwares or device classes than can be kept apart" in watched(crowd)[0].summary
