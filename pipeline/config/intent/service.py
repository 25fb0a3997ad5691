"""A service of the intent.

playback:
  operations: [playback_start]
  priority: non_negotiable             # or degradable, best_effort
  thresholds: […]                      # see `thresholds`
  degradation:                         # where it may be worse, up to which ratio, before anybody is paged
    - {operation: playback_start, latency: 1.3}
    - {any: 1.5}
  depends_on: [entitlement]            # services whose trouble becomes this one's
  owner: playback-crew
  route: playback-on-call              # a receiver; default: the owner's, then the severity's
  runbook: https://wiki.example/playback
  containment: Hold the roll-out of the firmware that is named.
  sensitivity: 2                       # or {latency: 2, any: 1}
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.config.intent.thresholds import LATENCY, RATES, place, thresholds
from pipeline.config.yamlfile import Section
from pipeline.intent import Degradation, Priority, Service
from pipeline.observation import MAX_NAME

KEYS: Final = (
    "operations",
    "priority",
    "thresholds",
    "degradation",
    "depends_on",
    "owner",
    "route",
    "runbook",
    "containment",
    "sensitivity",
)
SIGNALS: Final = (LATENCY, *RATES)
ANY: Final = "any"
"""Stands for all signals; `*` in the model, which YAML would have in quotes."""
MOST_RATIO: Final = 100.0
LEAST_SENSITIVITY: Final = 0.1
MOST_SENSITIVITY: Final = 10.0
LONGEST_TEXT: Final = 512
SEPARATOR: Final = ","
"""Of the services in the label of an alert; no name may hold it."""


def service(services: Section, name: str) -> Service | None:
    """None where it is of no use; what is wrong is noted."""
    if not isinstance(services.node[name], CommentedMap):
        services.fault(name, f"service {name!r} is not a mapping", "give it operations and a priority")
        return None
    section = services.section(name)
    assert section is not None
    if SEPARATOR in name or len(name) > MAX_NAME:
        right = f"it stands in a list that is a label: no comma, at most {MAX_NAME} characters"
        services.fault(name, f"the name of a service is {name!r}", right)
    section.only(KEYS)
    operations = _operations(section, name)
    priority = section.node.get("priority")
    if priority not in tuple(Priority):
        section.fault("priority", f"priority of {name!r} is {priority!r}", f"choose one of {', '.join(Priority)}")
    made = Service(
        name,
        operations,
        Priority(priority) if priority in tuple(Priority) else Priority.DEGRADABLE,
        thresholds=thresholds(section, name, operations),
        degradations=_degradations(section, name, operations),
        depends_on=tuple(section.lines("depends_on")),
        owner=section.text("owner", longest=MAX_NAME),
        route=section.text("route", longest=MAX_NAME),
        runbook=_link(section),
        containment=section.text("containment", longest=LONGEST_TEXT),
        sensitivity=_sensitivity(section),
        place=place(services, name),
    )
    return made if operations and priority in tuple(Priority) else None


def _operations(section: Section, name: str) -> tuple[str, ...]:
    listed = section.node.get("operations")
    if (
        not isinstance(listed, CommentedSeq)
        or not listed
        or not all(isinstance(one, str) and 0 < len(one) <= MAX_NAME and one.isprintable() for one in listed)
    ):
        section.fault(
            "operations", f"operations of {name!r} are no list of names", "write operations: [playback_start]"
        )
        return ()
    return tuple(str(one) for one in listed)


def _degradations(section: Section, name: str, operations: tuple[str, ...]) -> tuple[Degradation, ...]:
    found: dict[tuple[str, str], Degradation] = {}
    for entry in section.sections("degradation"):
        entry.only(("operation", *SIGNALS, ANY))
        operation = entry.text("operation", longest=MAX_NAME)
        if operation is not None and operation not in operations:
            close = get_close_matches(operation, operations, n=1)
            known = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(operations) or 'none'}"
            entry.fault("operation", f"operation {operation!r} is none of {name!r}", known)
        signals = [signal for signal in (*SIGNALS, ANY) if signal in entry.node]
        if not signals:
            entry.fault_at(entry.line, "a degradation of nothing", f"name one of {', '.join(SIGNALS)}, {ANY}: 1.3")
        for signal in signals:
            ratio = entry.number(signal, None, 1.0, MOST_RATIO)
            if ratio == 1.0 or entry.node[signal] is None:
                entry.fault(signal, f"{signal} may be worse by nothing", "give a ratio above 1, such as 1.3")
            if ratio is None or ratio == 1.0:
                continue
            made = Degradation(operation or "*", "*" if signal == ANY else signal, ratio)
            if (made.operation, made.signal) in found:
                entry.fault(signal, f"how far {signal} may degrade is said twice", "keep one of the two")
            found[made.operation, made.signal] = made
    return tuple(found.values())


def _link(section: Section) -> str | None:
    link = section.text("runbook", longest=1_024)
    if link is not None and not link.startswith(("https://", "http://")):
        section.fault("runbook", f"runbook is {link!r}", "give a link that a phone can open: https://…")
        return None
    return link


def _sensitivity(section: Section) -> dict[str, float]:
    value = section.node.get("sensitivity")
    if not isinstance(value, CommentedMap):
        number = section.number("sensitivity", None, LEAST_SENSITIVITY, MOST_SENSITIVITY)
        return {} if number is None else {"*": number}
    parts = section.section("sensitivity")
    assert parts is not None
    parts.only((*SIGNALS, ANY))
    found = {}
    for signal in (*SIGNALS, ANY):
        number = parts.number(signal, None, LEAST_SENSITIVITY, MOST_SENSITIVITY)
        if number is not None:
            found["*" if signal == ANY else signal] = number
    return found
