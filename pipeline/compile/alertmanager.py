"""Routes, inhibition and quiet hours of Alertmanager, out of an intent.

    heartbeats ─► the receivers that complain when they stop
    page ─┬─► receivers of services and owners that are touched
          └─► the severity's receiver, unless all services that are touched have one of their own
    ticket, likewise; muted in quiet hours
    all else ─► nobody

The label `service` may hold several services, so an alert may lead to several receivers; to each of them once. An
incident is one group: its alerts under other labels (its scope has grown) are no new page.

A cause holds back the alerts of services that depend on it, directly or not, in the same operator or everywhere when it
is everywhere; only alerts of services that all depend on it, and never a graver one: what pages is held back by what
pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from pipeline.compile.matching import any_of, equals, matches, matches_not, none_but, one_of
from pipeline.compile.prometheus import HEARTBEAT
from pipeline.compile.receivers import NOBODY, receivers
from pipeline.intent import Intent, QuietHours, Severity

Yaml: TypeAlias = dict[str, Any]

INCIDENT: Final = "SeamwatchIncident"
ALIVE: Final = "SeamwatchAlive"
"""What workers post themselves, with the incidents, for as long as they make progress."""
QUIET: Final = "quiet-hours"
GROUPING: Final = ("alertname", "incident_id")
"""What Prometheus says of Seamwatch itself has no incident_id, and is grouped by its name."""
GROUP_INTERVAL: Final = "1m"
REPEAT: Final = {Severity.PAGE: "4h", Severity.TICKET: "24h"}
HEARTBEAT_INTERVAL: Final = "5m"
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_MIN: Final = 24 * 60


def alertmanager(intent: Intent) -> Yaml:
    """The whole of alertmanager.yml."""
    beats = ((HEARTBEAT, intent.dead_man), (ALIVE, intent.alive))
    routes = [_heartbeat(name, receiver) for name, receiver in beats]
    routes += (route for severity in REPEAT for route in _routes(intent, severity))
    made: Yaml = {
        "route": {
            "receiver": NOBODY,
            "group_by": list(GROUPING),
            # An incident is one already: waiting to group it with others only costs time.
            "group_wait": "0s",
            "group_interval": GROUP_INTERVAL,
            "repeat_interval": REPEAT[Severity.TICKET],
            "routes": routes,
        },
        "receivers": receivers(intent.receivers),
    }
    rules = list(_inhibition(intent))
    if rules:
        made["inhibit_rules"] = rules
    if intent.quiet_hours is not None:
        made["time_intervals"] = [{"name": QUIET, "time_intervals": _intervals(intent.quiet_hours)}]
    return made


def _heartbeat(name: str, receiver: str | None) -> Yaml:
    return {
        "matchers": [equals("alertname", name)],
        "receiver": receiver or NOBODY,
        "group_by": ["alertname"],
        "repeat_interval": HEARTBEAT_INTERVAL,
    }


def _routes(intent: Intent, severity: Severity) -> Iterator[Yaml]:
    """Those of a severity; the last takes what no other does, and has no `continue`."""
    usual = intent.routes.get(severity, NOBODY)
    of_services: dict[str, list[str]] = {}
    for service in intent.services:
        name = intent.receiver_of(service, severity)
        if name is not None and (service.route is not None or service.owner in intent.owners):
            of_services.setdefault(name, []).append(service.name)
    of_owners: dict[str, list[str]] = {}
    for owner, name in intent.owners.items():
        of_owners.setdefault(name, []).append(owner)
    common: Yaml = {"repeat_interval": REPEAT[severity]}
    if severity == Severity.TICKET and intent.quiet_hours is not None:
        common["mute_time_intervals"] = [QUIET]
    level = equals("severity", severity)
    for name in dict.fromkeys((*of_owners, *of_services)):
        # Where an alert is an owner's and a service's of one receiver, it is told once.
        not_owned = []
        if name in of_owners:
            owned = one_of(of_owners[name])
            yield {"matchers": [level, matches("owner", owned)], "receiver": name, "continue": True, **common}
            not_owned = [matches_not("owner", owned)]
        if name in of_services and name != usual:
            touched = matches("service", any_of(of_services[name]))
            yield {"matchers": [level, touched, *not_owned], "receiver": name, "continue": True, **common}
    elsewhere = [one for name, services in of_services.items() if name != usual for one in services]
    rest = [matches_not("service", none_but(elsewhere))] if elsewhere else []
    if usual in of_owners:
        rest.append(matches_not("owner", one_of(of_owners[usual])))
    yield {"matchers": [level, *rest], "receiver": usual, **common}


def _inhibition(intent: Intent) -> Iterator[Yaml]:
    for cause in intent.services:
        effects = _suffering(intent, cause.name)
        if not effects:
            continue
        source = [
            equals("alertname", INCIDENT),
            matches("service", any_of([cause.name])),
            # A feed that is silent says nothing of the service, and a laboratory nothing of production.
            matches("kind", "pattern|breach"),
            matches_not("environment", "certification|lab"),
        ]
        target = [equals("alertname", INCIDENT), matches("service", none_but(effects))]
        for severity, held in ((Severity.PAGE, "page|ticket"), (Severity.TICKET, "ticket")):
            sources, targets = [*source, equals("severity", severity)], [*target, matches("severity", held)]
            yield {"source_matchers": sources, "target_matchers": targets, "equal": ["operator"]}
            yield {"source_matchers": [*sources, equals("operator", "")], "target_matchers": targets}


def _suffering(intent: Intent, cause: str) -> list[str]:
    """Services that depend on this one, directly or through others, in the order of the file."""
    found = {cause}
    grown = True
    while grown:
        more = {one.name for one in intent.services if one.name not in found and found.intersection(one.depends_on)}
        found |= more
        grown = bool(more)
    return [one.name for one in intent.services if one.name in found and one.name != cause]


def _intervals(quiet: QuietHours) -> list[Yaml]:
    """Alertmanager's intervals end with their day: what lasts over midnight is two, the second on the next day."""
    days = [_WEEKDAYS[day] for day in quiet.days]
    if quiet.begin_min < quiet.end_min:
        return [_interval(days, quiet.begin_min, quiet.end_min, quiet.zone)]
    following = [_WEEKDAYS[day] for day in sorted((day + 1) % 7 for day in quiet.days)]
    return [
        _interval(days, quiet.begin_min, _DAY_MIN, quiet.zone),
        _interval(following, 0, quiet.end_min, quiet.zone),
    ]


def _interval(days: list[str], begin: int, end: int, zone: str) -> Yaml:
    return {"weekdays": days, "times": [{"start_time": _clock(begin), "end_time": _clock(end)}], "location": zone}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
