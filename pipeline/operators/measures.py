"""Observations out of a report of counters and values under names, as an operator's configuration reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pipeline.operators.profile import UNITS, Measure, Profile
from pipeline.operators.recall import Recall
from pipeline.operators.values import is_absent, number, whole

UNUSABLE: Final = "measure.value"
FELL: Final = "counter.fell"
MOST_VALUES: Final = 1_000
"""Of one name in one report."""

Times = Callable[[str], Sequence[int] | None]
"""When each value of a source was taken, ms since the epoch; None where nobody says."""


def no_times(source: str) -> None:
    """Nobody says."""


class Measures:
    """An operator's measures.

    Attributes:
        used: the sources that are read.
    """

    def __init__(self, profile: Profile) -> None:
        self._measures = profile.measures
        self._outcomes = profile.outcomes
        self.used = frozenset(source for measure in profile.measures for source in measure.sources)
        self._before = Recall[tuple[int | None, list[int]]]()
        """Of each device and cumulative measure: when it was reported last, and its counters then."""

    def of(
        self,
        values: Mapping[str, Any],
        device: object,
        *,
        at: int | None = None,
        restarted: bool = False,
        times: Times = no_times,
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Fields that each observation adds to those of its report; and the clauses that were violated.

        device: whose cumulative counters these are. at: when they were read, ms since the epoch; of what is not newer
        than the device's last report nothing is counted, as that was. restarted: it says that it has been, so they
        begin again.
        """
        found: list[dict[str, Any]] = []
        wrong: list[str] = []
        for measure in self._measures:
            if values.keys().isdisjoint(measure.sources):
                continue
            if measure.attempts or measure.failures or measure.denials or measure.timeouts:
                found += self._counted(measure, values, device, at, restarted, wrong)
            else:
                found += self._listed(measure, values, times, wrong)
        return found, wrong

    def _counted(
        self,
        measure: Measure,
        values: Mapping[str, Any],
        device: object,
        at: int | None,
        restarted: bool,
        wrong: list[str],
    ) -> list[dict[str, Any]]:
        sources = (measure.attempts, measure.failures, measure.denials, measure.timeouts)
        counts: list[int] = []
        for source in sources:
            value = None if source is None else values.get(source)
            count = whole(value)
            if count is None or count < 0:
                if not is_absent(value):
                    wrong.append(UNUSABLE)
                    return []
                # A count of zero is usually left out.
                count = 0
            counts.append(count)
        if measure.cumulative:
            key = (device, measure.operation)
            before = self._before.get(key)
            if before is not None and at is not None and before[0] is not None and at <= before[0]:
                return []
            self._before.put(key, (at, counts))
            if before is None:
                return []
            then = before[1]
            if any(count < earlier for count, earlier in zip(counts, then, strict=True)):
                if not restarted:
                    wrong.append(FELL)
                # What was counted since it began again is at least this.
                then = [0] * len(counts)
            counts = [count - earlier for count, earlier in zip(counts, then, strict=True)]
        attempts, *bad = counts
        if measure.attempts is not None and sum(bad) > attempts:
            wrong.append(UNUSABLE)
            attempts = sum(bad)
        good = attempts - sum(bad)
        out = [
            {"operation": measure.operation, "outcome": outcome, "count": count}
            for outcome, count in zip(("error", "denied", "timeout"), bad, strict=True)
            if count > 0
        ]
        if good > 0:
            known = measure.failures or measure.denials or measure.timeouts
            fields: dict[str, Any] = {
                "operation": measure.operation,
                "outcome": "ok" if known else "unknown",
                "count": good,
            }
            latency = _latency(measure, values, wrong)
            if latency is not None:
                fields["latency_ms"] = latency
            retries = None if measure.retries is None else whole(values.get(measure.retries))
            if retries is not None:
                fields["retries"] = retries
            out.append(fields)
        return out

    def _listed(
        self, measure: Measure, values: Mapping[str, Any], times: Times, wrong: list[str]
    ) -> list[dict[str, Any]]:
        common: dict[str, Any] = {"operation": measure.operation}
        if measure.outcome is not None and not is_absent(said := values.get(measure.outcome)):
            common["outcome"] = self._outcomes.get(str(said), said)
        if measure.error_code is not None and not is_absent(code := values.get(measure.error_code)):
            common["error_code"] = str(code)
            if "outcome" not in common:
                common["outcome"] = self._outcomes.get(str(code), "error")
        if measure.retries is not None and not is_absent(values.get(measure.retries)):
            retries = whole(values[measure.retries])
            if retries is None:
                wrong.append(UNUSABLE)
            else:
                common["retries"] = retries
        if measure.latency is None:
            return [common] if len(common) > 1 else []
        said = values.get(measure.latency)
        several = said[:MOST_VALUES] if isinstance(said, list) else [said]
        at = times(measure.latency) or ()
        out = []
        for row, value in enumerate(several):
            fields = dict(common)
            if is_absent(value):
                if "outcome" not in fields:
                    continue
            else:
                taken = number(value)
                if taken is None or taken < 0:
                    wrong.append(UNUSABLE)
                else:
                    fields["latency_ms"] = taken * UNITS[measure.unit]
            if row < len(at):
                fields["occurred_at"] = at[row]
            if len(fields) > 1:
                out.append(fields)
        return out


def _latency(measure: Measure, values: Mapping[str, Any], wrong: list[str]) -> float | None:
    if measure.latency is None or is_absent(value := values.get(measure.latency)):
        return None
    found = number(value)
    if found is None or found < 0:
        wrong.append(UNUSABLE)
        return None
    return found * UNITS[measure.unit]
