"""Faults to inject into a simulated fleet, and their form on the command line.

::

    KIND[*FACTOR | +AMOUNT][@KEY=VALUE,...]

    latency*1.25@firmware=fw-2.4.1,from=8d,until=13d      every attempt on that firmware takes a quarter longer
    latency*1.2@operator=altura,device_class=tv-2021,from=8d,ramp=5d          the same, creeping in over five days
    latency*1.1@firmware=fw-9.0.0,replaces=fw-2.4.1,from=8d,rollout=28h       a new firmware, staged, slower
    tail*1.5@operator=norvik,firmware=fw-2.4.1,from=8d    the slowest only: p99 × 1.5, the median as before
    denial*2.7@environment=production,operation=entitlement_check,from=8d     failure, timeout, retry: likewise
    out_of_order*4@firmware=fw-2.4.1,from=8d              duplicate, gap: likewise, over all operations
    volume*0.5@operator=altura,from=8d,until=9d           half the visits do not happen
    delay+45s@operator=altura,from=8d                     the feed comes late; the devices are as before
    silence@operator=altura,from=8d,until=8d1h            the feed does not come at all
    latency*2@operation=entitlement_check,cascades=playback_start,operator=altura,from=8d       what waits for it is slow, too
    contract+0.2@field=latency_ms,form=bad,device_class=tv-2021,from=8d       a field of 20 % of the records is unusable
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.observation import DIMENSIONS, Cohort
from pipeline.simulate.durations import DAY_MS, format_duration, parse_duration
from pipeline.simulate.fleet import Fleet
from pipeline.simulate.growth import growth

Kind = Literal[
    "latency",
    "tail",
    "failure",
    "denial",
    "timeout",
    "retry",
    "out_of_order",
    "duplicate",
    "gap",
    "volume",
    "delay",
    "silence",
    "contract",
]
Form = Literal["bad", "missing"]

PER_OPERATION: Final = ("latency", "tail", "failure", "denial", "timeout", "retry")
"""Kinds that can be confined to one operation; the others happen to the stream of a device."""

PASSED_ON: Final = 0.5
"""Of an effect, on the log scale, to the operation that it cascades to: twice as slow makes that 41 % slower."""

FIELDS: Final = ("latency_ms", "retries", "outcome", "occurred_at", "environment", "firmware", "device_class")
"""What a contract fault can spoil: six optional fields, and a required one."""


class FaultError(ValueError):
    """A fault that does not parse or does not fit the fleet; the message says what would be right."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__(f"fault {text!r}: {what}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one scope for one span of time, all times in ms since the simulation's start."""

    kind: Kind
    size: float = 0.0
    """Factor; ms for `delay`; share of the records for `contract`; unused for `silence`."""
    operator: str | None = None
    device_class: str | None = None
    firmware: str | None = None
    environment: str | None = None
    operation: str | None = None
    start: int = 0
    until: int | None = None
    """Withdrawn at that time; a roll-out is then rolled back."""
    ramp: int = 0
    """0: a step. Else the effect grows for so long, evenly on the log scale, to its full size."""
    replaces: str | None = None
    """`firmware` is new: from `start` on it takes the place of this one on ever more devices, all of them after …"""
    rollout: int = 0
    """… so long."""
    field: str | None = None
    form: Form = "bad"
    cascades: str | None = None
    """The operation that waits for `operation`, and suffers the same by half as much on the log scale (`PASSED_ON`)."""

    def parts(self) -> list[Fault]:
        """Itself, and what follows from it."""
        if self.cascades is None:
            return [self]
        return [self, replace(self, operation=self.cascades, size=self.size**PASSED_ON, cascades=None)]

    @property
    def scope(self) -> dict[str, str]:
        """What should be named as the scope of an incident."""
        return {name: value for name in DIMENSIONS if (value := getattr(self, name)) is not None}

    def covers(self, cohort: Cohort) -> bool:
        return all(getattr(cohort, name) == value for name, value in self.scope.items())

    def strength(self, at_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of the effect is in force, 0 to 1, at times in ms since the start."""
        return growth(at_ms, self.start, self.ramp, self.until)

    def touches(self, from_ms: int, to_ms: int) -> bool:
        """Whether any of the effect falls between these times."""
        return self.start < to_ms and (self.until is None or from_ms < self.until)

    def __str__(self) -> str:
        """The form that `parse_fault` reads back."""
        match self.kind:
            case "silence":
                size = ""
            case "delay":
                size = f"+{format_duration(round(self.size))}"
            case "contract":
                size = f"+{self.size!r}"
            case _:
                size = f"*{self.size!r}"
        pairs = [f"{name}={value}" for name, value in self.scope.items()]
        pairs += [
            f"{name}={value}"
            for name in ("operation", "cascades", "field", "replaces")
            if (value := getattr(self, name))
        ]
        if self.kind == "contract" and self.form != "bad":
            pairs.append(f"form={self.form}")
        times = {"from": self.start, "until": self.until, "ramp": self.ramp, "rollout": self.rollout}
        pairs += [f"{name}={format_duration(ms)}" for name, ms in times.items() if ms]
        return f"{self.kind}{size}" + ("@" + ",".join(pairs) if pairs else "")


def parse_fault(text: str) -> Fault:
    """The fault that `text` describes, times relative to the start of the simulation. Raises FaultError.

    >>> parse_fault("latency*1.25@firmware=fw-2.4.1,from=8d,until=13d").scope
    {'firmware': 'fw-2.4.1'}
    """
    head, _, tail = text.partition("@")
    kind_text = head.partition("*")[0].partition("+")[0]
    kind = next((kind for kind in get_args(Kind) if kind == kind_text), None)
    if kind is None:
        raise FaultError(text, f"no kind is called {kind_text!r}; there are {', '.join(get_args(Kind))}")
    size = _size(text, kind, head[len(kind) :])
    values = _pairs(text, tail)
    times = {name: _duration(text, name, values.pop(name)) for name in _TIMES if name in values}
    form = values.pop("form", "bad")
    fault = Fault(
        kind=kind,
        size=size,
        form="missing" if form == "missing" else "bad",
        start=times.get("from", 0),
        until=times.get("until"),
        ramp=times.get("ramp", 0),
        rollout=times.get("rollout", 0),
        **values,
    )
    if form not in get_args(Form):
        raise FaultError(text, f"form is one of {', '.join(get_args(Form))}, not {form!r}")
    _check(text, fault)
    return fault


def check_fault(fault: Fault, fleet: Fleet) -> None:
    """Raises FaultError when the fault names what the fleet does not have."""
    cohorts = fleet.cohorts()
    text = str(fault)
    for name in DIMENSIONS:
        value = getattr(fault, name)
        if name == "firmware" and fault.replaces is not None:
            if any(cohort.firmware == value for cohort in cohorts):
                raise FaultError(text, f"firmware {value!r} is there already; a roll-out brings a new one")
            value = fault.replaces
        known = sorted({cohort[DIMENSIONS.index(name)] for cohort in cohorts})
        if value is not None and value not in known:
            raise FaultError(text, f"the fleet has no {name} {value!r}; it has {', '.join(known)}")
    operations = [operation.name for operation in fleet.operations]
    for operation in (fault.operation, fault.cascades):
        if operation is not None and operation not in operations:
            raise FaultError(text, f"the fleet has no operation {operation!r}; it has {', '.join(operations)}")
    if not any(_reaches(fault, cohort) for cohort in cohorts):
        raise FaultError(text, "no cohort of the fleet is within this scope")


def _reaches(fault: Fault, cohort: Cohort) -> bool:
    return fault.covers(cohort if fault.replaces is None else cohort._replace(firmware=fault.firmware or ""))


_TIMES: Final = ("from", "until", "ramp", "rollout")
_KEYS: Final = (*DIMENSIONS, "operation", "cascades", "field", "form", "replaces", *_TIMES)


def _size(text: str, kind: Kind, size: str) -> float:
    match kind:
        case "silence":
            if size:
                raise FaultError(text, f"silence has no size, yet {size!r} stands behind it")
            return 0.0
        case "delay":
            if not size.startswith("+"):
                raise FaultError(text, "delay is followed by +DURATION, such as delay+45s")
            return float(_duration(text, "delay", size[1:]))
        case "contract":
            share = _number(size, "+")
            if share is None or not 0.0 < share <= 1.0:
                raise FaultError(text, "contract is followed by +SHARE above 0 and at most 1, such as contract+0.2")
            return share
        case _:
            factor = _number(size, "*")
            limit = 1.0 if kind == "volume" else 1e6
            if factor is None or not (0.0 < factor <= limit or (kind == "volume" and factor == 0.0)):
                bounds = "from 0 to 1" if kind == "volume" else "above 0"
                raise FaultError(text, f"{kind} is followed by *FACTOR {bounds}, such as {kind}*0.5")
            return factor


def _number(text: str, sign: str) -> float | None:
    if not text.startswith(sign):
        return None
    try:
        value = float(text[1:])
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _pairs(text: str, tail: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in tail.split(",") if tail else []:
        name, _, value = pair.partition("=")
        if name not in _KEYS:
            raise FaultError(text, f"no key is called {name!r}; there are {', '.join(_KEYS)}")
        if not value:
            raise FaultError(text, f"{name} lacks a value; write {name}=VALUE")
        if name in values:
            raise FaultError(text, f"{name} is given twice")
        values[name] = value
    return values


def _duration(text: str, name: str, value: str) -> int:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise FaultError(text, f"{name}: {error}") from None


def _check(text: str, fault: Fault) -> None:
    """What no fleet can make right."""
    if fault.until is not None and fault.until <= fault.start:
        raise FaultError(text, f"until={format_duration(fault.until)} is not after from={format_duration(fault.start)}")
    if fault.operation is not None and fault.kind not in PER_OPERATION:
        raise FaultError(text, f"{fault.kind} happens to all operations alike; leave out operation")
    if fault.cascades is not None and fault.operation in (None, fault.cascades):
        raise FaultError(text, "cascades names the operation that waits for another one: operation=NAME,cascades=OTHER")
    if (fault.kind == "contract") != (fault.field is not None):
        raise FaultError(text, f"contract, and only contract, names a field: field=NAME of {', '.join(FIELDS)}")
    if fault.field is not None and fault.field not in FIELDS:
        raise FaultError(text, f"field is one of {', '.join(FIELDS)}, not {fault.field!r}")
    if fault.form != "bad" and fault.kind != "contract":
        raise FaultError(text, "only contract has a form")
    if fault.ramp and fault.kind in ("silence", "volume"):
        raise FaultError(text, f"{fault.kind} is a step; leave out ramp")
    if fault.replaces is not None and (fault.firmware is None or fault.kind == "volume"):
        raise FaultError(text, "a roll-out (replaces=) names the new firmware, and what is wrong with it")
    if fault.rollout and fault.replaces is None:
        raise FaultError(text, "rollout is how long the new firmware takes; say what it replaces: replaces=FIRMWARE")
    if fault.kind == "delay" and not 0 < fault.size <= DAY_MS:
        raise FaultError(text, "a feed is late by more than nothing and at most a day")
