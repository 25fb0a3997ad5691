"""What only shows when the whole intent is read: cycles, what leads nowhere, lines that contradict each other.

A fault is what cannot be meant; a warning, what can be used and is probably not meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from pipeline.config.intent.routing import NOBODY, NONE, ROUTED
from pipeline.config.yamlfile import Section
from pipeline.detect.calibration import least_budget
from pipeline.intent import Fault, Intent, Receiver, Service, Severity, Threshold

OPEN_SET: Final = "operations are an open set, so this is a hint only"


def dependencies(services: Section, found: tuple[Service, ...]) -> None:
    """Services that are not there, and cycles: each said once, where its first service stands."""
    names = {str(name) for name in services.node}
    graph: dict[str, tuple[str, ...]] = {}
    for one in found:
        section = services.section(one.name)
        lines = section.lines("depends_on") if section is not None else {}
        for name, line in lines.items():
            if name not in names:
                services.fault_at(line, f"{one.name!r} depends on {name!r}", _close(name, names, "services"))
        graph[one.name] = tuple(name for name in lines if name in names)
    for cycle in _cycles(graph):
        section = services.section(cycle[0])
        assert section is not None
        line = section.lines("depends_on")[cycle[1 % len(cycle)]]
        circle = " -> ".join((*cycle, cycle[0]))
        services.fault_at(line, f"services depend on each other: {circle}", "say which is the cause of which")


def _cycles(graph: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """One cycle for each edge that closes one, depth first in the order of the file."""
    done: set[str] = set()
    for start in graph:
        # (service, those it depends on that are still to be looked at); the services are the way from the start.
        way: list[tuple[str, Iterator[str]]] = [] if start in done else [(start, iter(graph[start]))]
        while way:
            name, rest = way[-1]
            following = next(rest, None)
            if following is None:
                done.add(name)
                way.pop()
                continue
            names = [one for one, _ in way]
            if following in names:
                yield names[names.index(following) :]
            elif following not in done:
                way.append((following, iter(graph.get(following, ()))))


def contradictions(services: Section, found: Iterable[Threshold]) -> None:
    """Of two quantiles of the same latency, the lower one must have the lower limit: else it never counts."""
    groups: dict[tuple[object, ...], list[Threshold]] = defaultdict(list)
    for line in found:
        if line.quantile is not None:
            groups[line.service, line.operation, line.window_ms, line.per, tuple(line.scope.items())].append(line)
    for lines in groups.values():
        ordered = sorted(lines, key=lambda line: line.quantile or 0.0)
        for lower, higher in pairwise(ordered):
            if (lower.limit_ms or 0.0) > (higher.limit_ms or 0.0):
                services.fault_at(
                    int(lower.place.rpartition(":")[2]),
                    f"{lower.line!r} contradicts {higher.line!r} of {higher.place}",
                    "the higher quantile is never the faster one: raise its limit, or lower this one",
                )


class Routing:
    """Where routes, owners and the switch lead to, each with the line that says so."""

    def __init__(self, root: Section, found: Intent, wrong: Collection[str]) -> None:
        """wrong: names of receivers that are there, and have faults of their own."""
        self._root = root
        self._found = found
        self._known = {one.name: one for one in found.receivers} | dict.fromkeys(wrong)
        self._named: list[tuple[str, str, int]] = []
        """Who is told of what, and the line."""
        services, routes, owners = (root.section(key) for key in ("services", "routes", "owners"))
        for one in found.services:
            section = services.section(one.name) if services is not None else None
            if one.route is not None and section is not None:
                self._named.append((one.route, f"service {one.name!r}", section.line_of("route")))
        for severity, name in found.routes.items():
            assert routes is not None
            self._named.append((name, f"severity {severity}", routes.line_of(severity)))
        for owner, name in found.owners.items():
            assert owners is not None
            self._named.append((name, f"owner {owner!r}", owners.line_of(owner)))
        for key, switch in self._switches():
            self._named.append((switch, f"the switch {key}", root.line_of(key)))

    def unknown(self) -> None:
        for name, what, line in self._named:
            if name not in self._known and name != NOBODY:
                right = _close(name, self._known, "receivers")
                self._root.fault_at(line, f"{what} leads to {name!r}, which is no receiver", right)

    def warnings(self) -> Iterator[Fault]:
        file, found = self._root.file, self._found
        named = {name for name, _, _ in self._named}
        for one in found.receivers:
            if one.name not in named and one.kind != NONE:
                line = int(one.place.rpartition(":")[2])
                yield Fault(file, line, f"receiver {one.name!r} is never told anything", "route something to it")
        yield from self._silent()
        for key, switch in self._switches():
            if _tells_people(self._known.get(switch)):
                wrong = f"the heartbeat {key} goes to {switch!r}, which people read"
                right = "it is sent every few minutes: give a webhook of a service that complains when it stops"
                yield Fault(file, self._root.line_of(key), wrong, right)
        if found.dead_man is not None and found.dead_man == found.alive:
            wrong = f"dead_man and alive both lead to {found.alive!r}"
            right = "one that stops would be hidden by the other: give each a receiver of its own"
            yield Fault(file, self._root.line_of("alive"), wrong, right)
        owners = {one.owner for one in found.services} | {one.owner for one in found.workarounds}
        section = self._root.section("owners")
        for owner in found.owners:
            if owner not in owners and section is not None:
                wrong, right = f"owner {owner!r} owns nothing", _close(owner, filter(None, owners), "owners")
                yield Fault(file, section.line_of(owner), wrong, right)

    def _switches(self) -> list[tuple[str, str]]:
        """Receivers of heartbeats, by their key."""
        both = (("dead_man", self._found.dead_man), ("alive", self._found.alive))
        return [(key, name) for key, name in both if name is not None]

    def _silent(self) -> Iterator[Fault]:
        """Services of which nobody is told, once there is anybody to tell."""
        found = self._found
        if not found.receivers:
            return
        for severity in ROUTED:
            silent = [
                one for one in found.services if one.priority.severity == severity and self._is_silent(one, severity)
            ]
            if silent:
                wrong = f"nobody is told of {severity}s of {', '.join(one.name for one in silent)}"
                line = self._root.line_of("routes" if severity not in found.routes else "receivers")
                yield Fault(self._root.file, line, wrong, f"write routes: {{{severity}: …}} with a receiver that tells")

    def _is_silent(self, one: Service, severity: Severity) -> bool:
        name = self._found.receiver_of(one, severity)
        receiver = self._known.get(name) if name is not None else None
        return name is None or name == NOBODY or (receiver is not None and receiver.kind == NONE)


def _tells_people(receiver: Receiver | None) -> bool:
    return receiver is not None and receiver.kind in ("pagerduty", "slack", "email")


def shared_operations(root: Section, found: Intent) -> Iterator[Fault]:
    """An operation of two services counts as the graver one's."""
    services = root.section("services")
    first: dict[str, str] = {}
    for one in found.services:
        section = services.section(one.name) if services is not None else None
        for operation in dict.fromkeys(one.operations):
            before = first.setdefault(operation, one.name)
            if section is not None and (before != one.name or one.operations.count(operation) > 1):
                line = section.lines("operations")[operation]
                if before == one.name:
                    yield Fault(
                        root.file, line, f"operation {operation!r} stands in {before!r} twice", "once is enough"
                    )
                else:
                    wrong = f"operation {operation!r} is of {before!r} and of {one.name!r}"
                    right = "its incidents name both, and are as grave as the graver one: leave it with one"
                    yield Fault(root.file, line, wrong, right)


def unknown_operations(root: Section, found: Intent, known: Collection[str]) -> Iterator[Fault]:
    """Operations that neither the built-in intent nor any operator's file knows."""
    services = root.section("services")
    for one in found.services:
        section = services.section(one.name) if services is not None else None
        lines = section.lines("operations") if section is not None else {}
        for operation, line in lines.items():
            if operation not in known:
                close = get_close_matches(operation, list(known), n=1)
                right = f"did you mean {close[0]!r}?" if close else "see that somebody sends it"
                yield Fault(root.file, line, f"nothing known sends {operation!r}", f"{right} ({OPEN_SET})")


def budget(root: Section, found: Intent) -> Iterator[Fault]:
    """A promise that nobody could ever see kept."""
    least = least_budget()
    if found.false_pages_per_week < least:
        yield Fault(
            root.file,
            root.line_of("false_pages_per_week"),
            f"{found.false_pages_per_week:g} false pages a week cannot be promised",
            f"the threshold is checked by what comes near it in quiet weeks; below {least:.2g} too little ever does in "
            "all the weeks that are remembered",
        )


def _close(name: str, known: Iterable[str], what: str) -> str:
    names = [str(one) for one in known]
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known {what} are {', '.join(names) or 'none'}"
