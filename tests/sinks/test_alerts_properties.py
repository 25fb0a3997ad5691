"""What always holds of the alerts there should be, whatever incidents do, and however often workers come and go."""

from __future__ import annotations

from typing import Literal, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.messages import Incident
from pipeline.sinks.alert import ACTIVE, TOLD
from pipeline.sinks.alerts import Alerts
from tests.sinks.incidents import incident

LATE = 5.0


class Say(NamedTuple):
    """A change of an incident."""

    name: str
    state: str
    severity: str
    scope: str


Event = Say | Literal["post", "restart", "commit", "crash"]
"""A restart goes on after what was taken last, a crash after what was committed last."""

EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        st.builds(
            Say,
            st.sampled_from("ab"),
            st.sampled_from(["forming", "firing", "recovering", "resolved", "suppressed"]),
            st.sampled_from(["page", "ticket", "log"]),
            st.sampled_from("xy"),
        ),
        st.sampled_from(["post", "restart", "commit", "crash"]),
    ),
    max_size=25,
)


class Alertmanager:
    """Which alerts go on there, until when, and of which incidents it has ever been told that they do."""

    def __init__(self) -> None:
        self.ends: dict[tuple[tuple[str, str], ...], float] = {}
        self.told: set[str] = set()

    def take(self, labels: dict[str, str], ends: float, now: float) -> None:
        self.ends[tuple(sorted(labels.items()))] = ends
        if ends > now:
            self.told.add(labels["incident_id"])

    def active(self, now: float) -> list[dict[str, str]]:
        return [dict(key) for key, ends in self.ends.items() if ends > now]


def post(alerts: Alerts, there: Alertmanager, now: float) -> None:
    """As the sink does it, with an Alertmanager that takes everything."""
    for alert in alerts:
        late = alerts.is_late(alert)
        goes_on = alert.ends is None or late
        if late:
            alert.ends = now + LATE
        there.take(alert.labels, alert.ends if alert.ends is not None else float("inf"), now)
        if goes_on:
            alerts.heard(alert)


@given(EVENTS)
@example([Say("a", "firing", "page", "x"), Say("a", "resolved", "page", "x"), "restart"])
@example([Say("a", "firing", "page", "x"), "post", "restart", Say("a", "firing", "ticket", "y"), "restart"])
@example(
    [Say("b", "firing", "page", "x"), Say("b", "firing", "log", "x"), "restart", Say("b", "resolved", "page", "x")]
)
@example([Say("a", "firing", "page", "x"), "post", Say("a", "resolved", "page", "x"), "crash"])
def test_in_the_end_alertmanager_has_what_fires_and_has_heard_of_all_that_did(events: list[Event]) -> None:
    there, alerts = Alertmanager(), Alerts()
    newest: dict[str, Incident] = {}
    fired: set[str] = set()
    log: list[Incident] = []
    committed: tuple[int, list[str]] = (0, [])
    now = 0.0

    def adopt() -> None:
        if alerts.restoring:
            alerts.adopt(((labels, {}) for labels in there.active(now)), now)

    for number, event in enumerate(events):
        now += 1.0
        if event == "post":
            adopt()
            post(alerts, there, now)
        elif event == "commit":
            committed = len(log), alerts.owed
        elif event in ("restart", "crash"):
            taken, owed = (len(log), alerts.owed) if event == "restart" else committed
            committed = taken, owed
            alerts = Alerts()
            known = {record.incident_id: record for record in log[:taken]}
            for record in known.values():
                alerts.restore(record, now)
            for name in owed:
                alerts.owe(known[name], now)
            for record in log[taken:]:
                alerts.take(record, now)
        elif not isinstance(event, str):
            record = incident(
                incident_id=event.name,
                state=event.state,
                severity=event.severity,
                scope={"operator": event.scope},
                at=number,
            )
            newest[event.name] = record
            log.append(record)
            alerts.take(record, now)
            if event.state in ACTIVE and event.severity in TOLD:
                fired.add(event.name)
            elif event.state in ("suppressed", "forming"):
                # It is hidden, or nothing yet: whoever has not heard of it need not.
                fired.discard(event.name)
        active = [labels["incident_id"] for labels in there.active(now)]
        assert set(active) <= fired | there.told
    now += 1.0
    adopt()
    post(alerts, there, now)
    for name in fired:
        record = newest[name]
        if record.state == "resolved" or (record.state in ACTIVE and record.severity in TOLD):
            assert name in there.told
    now += LATE + 1
    active = [labels["incident_id"] for labels in there.active(now)]
    assert len(active) == len(set(active))
    assert set(active) <= {name for name, record in newest.items() if record.state in ACTIVE}
    assert {name for name, record in newest.items() if record.state in ACTIVE and record.severity in TOLD} <= set(
        active
    )


def test_after_a_crash_an_alert_that_is_there_already_and_over_by_now_ends_at_once() -> None:
    firing, over = incident(at=1), incident(at=2, state="resolved")
    there, alerts = Alertmanager(), Alerts()
    alerts.take(firing, 1.0)
    post(alerts, there, 1.0)
    after = Alerts()  # killed before its position was committed: both are taken, none is restored
    after.take(firing, 2.0)
    after.take(over, 2.0)
    assert after.restoring
    assert after.owed == [firing.incident_id]
    after.adopt(((labels, {}) for labels in there.active(2.0)), 2.0)
    assert after.owed == []
    post(after, there, 2.0)
    assert there.active(2.0) == []
