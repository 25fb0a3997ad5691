"""What a simulated fleet consists of, as plain declarations; nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.observation import Cohort
from pipeline.simulate.nuisances import Nuisances

_OPERATORS: Final = ("altura", "bluecove", "norvik", "pelago", "tessera")
_CLASSES: Final = ("stb-g2", "stb-g3", "stb-g4", "tv-2021", "tv-2023", "stick-4k")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: how often it is attempted, how long it takes and how it goes wrong when nothing is wrong.

    Latency is log-normal (median, sigma of the log) with a slow share whose log lies `slow_shift` higher and spreads
    wider: a heavy tail. Rates are shares of the attempts.
    """

    name: str
    share: float
    latency_ms: float
    sigma: float = 0.5
    slow_share: float = 0.03
    slow_shift: float = 1.0
    failure: float = 0.005
    denial: float = 0.002
    timeout: float = 0.001
    retry: float = 0.01


OPERATIONS: Final = (
    Operation("playback_start", share=0.35, latency_ms=900.0),
    Operation("entitlement_check", share=0.25, latency_ms=180.0, denial=0.015),
    Operation("license_request", share=0.20, latency_ms=250.0, failure=0.004),
    Operation("heartbeat", share=0.20, latency_ms=40.0, sigma=0.4, failure=0.001, denial=0.0, retry=0.005),
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Operators × classes × firmwares in production, some of them in certification too.

    A firmware belongs to a class and is shared by the operators. Volumes are Zipf-like: `busiest` records a minute for
    the first operator's commonest class and firmware, less for the next, never below `quietest`; certification devices
    send between `quietest` and `certification_busiest`.
    """

    operators: tuple[str, ...]
    device_classes: tuple[str, ...]
    firmwares: int
    """Firmwares of each class in production."""
    certification_operators: int
    """The first so many operators also have devices in certification."""
    certification_firmwares: int
    operations: tuple[Operation, ...] = OPERATIONS
    busiest: float = 200.0
    quietest: float = 0.2
    certification_busiest: float = 3.0
    events_per_minute: float | None = None
    """Scales production so that the fleet sends so many on average; None leaves the volumes as `busiest` gives them."""
    devices_per_event: float = 60.0
    """Devices of a cohort for each record a minute it sends: 60 lets a device report once an hour."""
    visit_records: float = 2.0
    """Records of a device's visit, on average (geometric)."""
    nuisances: Nuisances = field(default_factory=Nuisances)

    def firmware(self, device_class: int, version: int) -> str:
        """Name of a class's `version`-th firmware, the commonest first; negative ones are its successors."""
        if version < 0:
            return f"fw-{device_class + 2}.{4 - version}.0"
        return f"fw-{device_class + 2}.{4 - version if version < 5 else 0}.{version + 1}"

    def cohorts(self) -> list[Cohort]:
        """Every cohort that exists from the start."""
        kinds = [("production", self.operators, self.firmwares)]
        kinds.append(("certification", self.operators[: self.certification_operators], self.certification_firmwares))
        return [
            Cohort(operator, device_class, self.firmware(index, version), environment)
            for environment, operators, firmwares in kinds
            for operator in operators
            for index, device_class in enumerate(self.device_classes)
            for version in range(firmwares)
        ]

    def with_nuisances(self, nuisances: Nuisances) -> Fleet:
        return replace(self, nuisances=nuisances)


SMALL: Final = Fleet(
    operators=_OPERATORS[:2],
    device_classes=_CLASSES[:3],
    firmwares=3,
    certification_operators=1,
    certification_firmwares=2,
    events_per_minute=120.0,
)
"""24 cohorts, for the demo and for tests."""

STANDARD: Final = Fleet(
    operators=_OPERATORS,
    device_classes=_CLASSES,
    firmwares=3,
    certification_operators=2,
    certification_firmwares=3,
)
"""126 cohorts and about 1 950 records a minute: the fleet that the detector's figures are measured on."""

PRESETS: Final = {"small": SMALL, "standard": STANDARD}


def sized(cohorts: int, events_per_minute: float | None = None) -> Fleet:
    """A fleet of about `cohorts` cohorts in the proportions of the standard one (5 : 6 : 3, a third in certification).

    Raises ValueError for fewer than one cohort.
    """
    if cohorts < 1:
        msg = f"a fleet needs at least 1 cohort, not {cohorts}"
        raise ValueError(msg)
    scale = (cohorts / 126) ** (1 / 3)
    firmwares = max(1, round(3 * scale))
    classes = max(1, round(6 * scale))
    per_operator = firmwares * classes
    operators = max(1, round(cohorts / per_operator / 1.4))
    certified = min(operators, round((cohorts - operators * per_operator) / per_operator)) if cohorts > 1 else 0
    return Fleet(
        operators=_named("operator", _OPERATORS, operators),
        device_classes=_named("class", _CLASSES, classes),
        firmwares=firmwares,
        certification_operators=max(0, certified),
        certification_firmwares=firmwares,
        events_per_minute=events_per_minute,
    )


def _named(noun: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names[:count] + tuple(f"{noun}-{i + 1}" for i in range(len(names), count))
