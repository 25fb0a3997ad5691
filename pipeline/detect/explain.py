"""What a finding says to people: which signals, observed against expected, since when, of what shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import COHORT_RATES, EVERY, TAIL_QUANTILE
from pipeline.detect.judge import Reading, Verdict
from pipeline.detect.lattice import Lattice
from pipeline.detect.references import References
from pipeline.incidents import wording
from pipeline.incidents.life import Finding
from pipeline.intent import Intent
from pipeline.messages import Signal

Floats: TypeAlias = NDArray[np.float64]

SAY_NATS: Final = 1.5
"""A signal with less evidence of its own is not mentioned."""
RAMP_ODDS_NATS: Final = 2.0
"""A ramp must fit better than a step by so much to be called a drift."""


@dataclass(frozen=True, slots=True)
class SpanSums:
    """What was counted and expected over a span, [entries, leaves, columns], oldest first; `grain_ms` an entry."""

    n: Floats
    x: Floats
    expected: Floats
    entries: NDArray[np.int64]
    grain_ms: int


class Explainer:
    """Turns a node of a verdict into a finding."""

    def __init__(self, lattice: Lattice, references: References, leaf_rows: NDArray[np.intp], intent: Intent) -> None:
        self._lattice = lattice
        self._references = references
        self._rows = leaf_rows
        self._intent = intent

    def finding(
        self, verdict: Verdict, sums: SpanSums, reading: Reading, net: float, lag_ms: Mapping[int, float]
    ) -> tuple[Finding, dict[str, float]]:
        """The finding, and the effect by channel that recovery will be measured against."""
        node, strength = reading.node, reading.score
        members = list(self._lattice.members[node])
        picked = self._spoken(verdict, strength)
        total = float(sum(strength[i] for i in picked)) or 1.0
        lead = picked[0]
        onset_entry, is_ramp = self._onset(verdict, sums, reading, lead)
        signals = []
        for i in picked:
            channel = verdict.judged[i].channel
            observed, expected = self._values(verdict, sums, members, i)
            shape = "spread" if channel.signal == "tail" and "latency" not in _signals(verdict, picked) else "step"
            signals.append(
                Signal(
                    operation=channel.operation,
                    signal=channel.reported_signal,
                    direction="up",
                    observed=_figures(observed),
                    expected=_figures(expected),
                    ratio=_figures(observed / expected) if expected else None,
                    share=round(float(strength[i]) / total, 3),
                    shape="drift" if is_ramp else shape,
                    quantile={"latency": 0.5, "tail": TAIL_QUANTILE}.get(channel.signal),
                )
            )
        lag = float(np.mean([lag_ms.get(int(self._rows[leaf]), 0.0) for leaf in members]))
        onset = int(onset_entry * sums.grain_ms - lag)
        operations = self._operations(verdict, picked)
        scope = self._lattice.scopes[node]
        finding = Finding(
            scope=scope,
            kind="pattern",
            onset_at=onset,
            severity=self._intent.severity_of(operations),
            services=tuple(self._intent.services_of(operations)),
            signals=tuple(signals),
            evidence=round(net / float(np.log(10.0)), 2),
            summary=wording.summary(scope, signals, onset, len(members), len(self._lattice.cohorts) - len(members)),
        )
        effects = {
            f"{verdict.judged[i].channel.operation}/{verdict.judged[i].channel.signal}": float(reading.effect[i])
            for i in picked
        }
        return finding, effects

    def _spoken(self, verdict: Verdict, strength: Floats) -> list[int]:
        """Channels worth a word, strongest first. A signal is said of all operations, or of those that show it."""
        keep = []
        for i, one in enumerate(verdict.judged):
            if strength[i] < SAY_NATS:
                continue
            same = [
                j
                for j, other in enumerate(verdict.judged)
                if other.channel.signal == one.channel.signal and other.channel.operation != EVERY
            ]
            if one.channel.operation == EVERY and len(one.columns) > 1:
                showing = [j for j in same if strength[j] >= SAY_NATS]
                if len(showing) == 1 and strength[showing[0]] >= strength[i]:
                    continue
            elif one.channel.operation != EVERY:
                pooled = [
                    j
                    for j, other in enumerate(verdict.judged)
                    if other.channel == (EVERY, one.channel.signal) and len(other.columns) > 1
                ]
                if pooled and strength[pooled[0]] > strength[i]:
                    continue
            keep.append(i)
        keep = keep or [int(np.argmax(strength))]
        return sorted(keep, key=lambda i: -strength[i])

    def _operations(self, verdict: Verdict, picked: list[int]) -> list[str]:
        """Operations that the signals touch; those judged over all operations touch all that the scope has."""
        names = {verdict.judged[i].channel.operation for i in picked}
        if EVERY in names:
            names |= {channel.operation for channel in self._references.channels}
        return sorted(names - {EVERY})

    def _values(self, verdict: Verdict, sums: SpanSums, members: list[int], channel: int) -> tuple[float, float]:
        """Observed and expected in the units of the wire: ms for latency, a share otherwise."""
        one = verdict.judged[channel]
        columns = list(one.columns)
        n, x, expected = (part[:, members][:, :, columns].sum(axis=0) for part in (sums.n, sums.x, sums.expected))
        total = max(float(n.sum()), 1e-12)
        if one.channel.signal in COHORT_RATES or one.channel.signal not in ("latency", "tail", "delay"):
            return float(x.sum()) / total, float(expected.sum()) / total
        rows = self._rows[members]
        base = np.log(np.maximum(self._references.base_ms[rows][:, columns], 1e-3))
        base_ms = float(np.exp(np.sum(n * base) / total))
        if one.channel.signal == "tail":
            scale = float(np.sum(n * self._references.tail_scale[rows][:, columns]) / total)
            beyond = np.log(max(float(x.sum()), 1e-9) / max(float(expected.sum()), 1e-9))
            return base_ms * float(np.exp(scale * beyond)), base_ms
        return base_ms * float(np.exp((x - expected).sum() / total)), base_ms

    def _onset(self, verdict: Verdict, sums: SpanSums, reading: Reading, channel: int) -> tuple[int, bool]:
        """The entry at which a step began with the greatest likelihood, and whether a ramp fits better than any step.

        The series is what each entry adds to b of the node: contrasts to siblings, not raw values. A step that fills
        only part of the span is larger than the span's mean effect, so its size is profiled out.
        """
        columns = list(verdict.judged[channel].columns)
        weight = verdict.residual.weight[:, channel]
        projection = verdict.solution.projection(reading.node, channel) / np.where(weight > 0, weight, 1.0)
        off = (sums.x - sums.expected)[:, :, columns].sum(axis=2)
        series = (off * projection).sum(axis=1)
        members = list(self._lattice.members[reading.node])
        units = sums.n if self._references.shift[columns[0]] else sums.expected
        size = units[:, members][:, :, columns].sum(axis=(1, 2))
        info = size / max(float(size.sum()), 1e-12) * float(reading.c[channel])
        after_b, after_c = np.cumsum(series[::-1])[::-1], np.cumsum(info[::-1])[::-1]
        gain = np.where(after_b > 0, after_b**2 / (2.0 * np.maximum(after_c, 1e-9)), 0.0)
        start = int(np.argmax(gain))
        return int(sums.entries[start]), self._is_ramp(series, info, float(gain[start]))

    def _is_ramp(self, series: Floats, info: Floats, step_gain: float) -> bool:
        """Does a ramp from some entry on gain clearly more than the best step?"""
        best = 0.0
        for start in range(len(series) - 2):
            slope = np.arange(1, len(series) - start + 1, dtype=np.float64)
            b, c = float(slope @ series[start:]), float(slope**2 @ info[start:])
            if b > 0 and c > 0:
                best = max(best, b * b / (2.0 * c))
        return best > step_gain + RAMP_ODDS_NATS


def _signals(verdict: Verdict, picked: list[int]) -> set[str]:
    return {verdict.judged[i].channel.signal for i in picked}


def _figures(value: float) -> float:
    """Four significant figures: what a record says, and what two runs agree on."""
    return float(f"{value:.4g}")
