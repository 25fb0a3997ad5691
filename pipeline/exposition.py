"""Series of one metric with bounded labels, as prometheus-client's registries take them.

prometheus-client's own Counter, Gauge and Histogram are not used: they know no bound, and export a `_created` series
for each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

OTHER: Final = "other"
"""Where a counter counts what has no room of its own."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its bound: `known` values are exported from the start, and `room` more may come."""

    name: str
    known: tuple[str, ...] = ()
    room: int = 0

    @property
    def bound(self) -> str:
        """For people."""
        named = ", ".join(f"`{value}`" for value in self.known)
        more = f"at most {self.room}{' others' if self.known else ''}" if self.room else ""
        return "; ".join(filter(None, (named, more)))


class Series:
    """One metric with all its label values; `Counter` and `Gauge` say how it changes.

    Args:
        name: as exported.
        text: what it means, what healthy is.
        labels: in the order in which their values are given.
        overflow: counts what found no room here.
        at_start: exported from the start for every known label value; False where no value would be true yet.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[Label] = (), overflow: Counter | None = None, at_start: bool = True
    ) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._overflow = overflow
        self._seen = tuple(set(label.known) for label in labels)
        self._values: dict[tuple[str, ...], float] = {}
        if at_start and all(label.known for label in labels):
            self._values = dict.fromkeys(product(*(label.known for label in labels)), 0.0)

    def values(self) -> list[tuple[str, ...]]:
        """Label values that are exported."""
        return list(self._values)

    def value(self, *values: str) -> float | None:
        """What is exported for these label values; None when nothing is."""
        return self._values.get(values)

    def family(self) -> Metric:
        """As prometheus-client writes it."""
        raise NotImplementedError

    def _fill(self, family: CounterMetricFamily | GaugeMetricFamily) -> Metric:
        # At once: whoever scrapes does so in the page's thread.
        for values, value in list(self._values.items()):
            family.add_metric(values, value)
        return family

    def _admit(self, values: tuple[str, ...]) -> bool:
        """Is there room for these values? Takes it."""
        if values in self._values:
            return True
        if len(values) != len(self.labels):
            names = ", ".join(label.name for label in self.labels) or "no label"
            msg = f"{self.name} has {names}, and was given {values!r}"
            raise ValueError(msg)
        for label, seen, value in zip(self.labels, self._seen, values, strict=True):
            if value not in seen and len(seen) >= len(label.known) + label.room:
                if self._overflow is not None:
                    self._overflow.add(1, self.name)
                return False
        for seen, value in zip(self._seen, values, strict=True):
            seen.add(value)
        return True


class Counter(Series):
    """Only grows, from zero at the start of the process."""

    def add(self, amount: float, *values: str) -> None:
        if amount < 0:
            msg = f"{self.name} cannot shrink by {-amount}"
            raise ValueError(msg)
        if not self._admit(values):
            values = (OTHER,) * len(self.labels)
        self._values[values] = self._values.get(values, 0.0) + amount

    def family(self) -> Metric:
        return self._fill(CounterMetricFamily(self.name, self.text, labels=[label.name for label in self.labels]))


class Gauge(Series):
    """What is so now."""

    def set(self, value: float, *values: str) -> None:
        if self._admit(values):
            self._values[values] = value

    def shift(self, by: float, *values: str) -> None:
        """Add to what is so, where several have a part in it."""
        self.set(self._values.get(values, 0.0) + by, *values)

    def drop(self, *values: str) -> None:
        """Export these label values no longer, such as those of a partition that another worker has now."""
        self._values.pop(values, None)
        for at, label in enumerate(self.labels):
            self._seen[at].intersection_update({*label.known, *(others[at] for others in self._values)})

    def family(self) -> Metric:
        return self._fill(GaugeMetricFamily(self.name, self.text, labels=[label.name for label in self.labels]))


class Histogram(Series):
    """How often, and how long: counts of observations up to each of the bounds (seconds), and their sum.

    Its labels are known ones only: a bucket of others would say nothing.
    """

    def __init__(self, name: str, text: str, label: Label, bounds: Sequence[float]) -> None:
        super().__init__(name, text, [label], at_start=False)
        self.bounds = tuple(bounds)
        self._values = {(known,): 0.0 for known in label.known}
        """Sums."""
        self._counts = {values: [0] * (len(self.bounds) + 1) for values in self._values}

    def observe(self, seconds: float, *values: str) -> None:
        """KeyError for label values that are not known."""
        self._counts[values][bisect_left(self.bounds, seconds)] += 1
        self._values[values] += seconds

    def family(self) -> Metric:
        family = HistogramMetricFamily(self.name, self.text, labels=[label.name for label in self.labels])
        ends = [*map(str, self.bounds), "+Inf"]
        for values, counts in self._counts.items():
            family.add_metric(values, list(zip(ends, accumulate(counts), strict=True)), self._values[values])
        return family
