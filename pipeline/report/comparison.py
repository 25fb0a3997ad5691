"""Two intents over the same records, side by side: what each would have said, how soon, and what only one has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.incidents.known import Life, compared, overlap
from pipeline.replay import SEVERITIES
from pipeline.report.backtest import Backtest, plain, verdict
from pipeline.report.words import counted, duration, scope_name


@dataclass(frozen=True, slots=True)
class Pair:
    """The same incident as two intents have it; None: that one has none.

    later_ms: how much later the other fired (negative: earlier).
    """

    mine: Life | None
    other: Life | None

    @property
    def either(self) -> Life:
        found = self.mine or self.other
        assert found is not None
        return found

    @property
    def later_ms(self) -> int | None:
        return None if self.mine is None or self.other is None else self.other.fired_at - self.mine.fired_at

    @property
    def sentence(self) -> str:
        if self.other is None:
            return "only without the other"
        if self.mine is None:
            return "only with the other"
        later = self.later_ms or 0
        when = "at the same time" if later == 0 else f"{duration(later)} {'later' if later > 0 else 'earlier'}"
        changed = "" if self.mine.severity == self.other.severity else f", as {self.other.severity}"
        return f"{when}{changed}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """mine, other: what each intent came to. name: of the other's directory. pairs: by when either fired first."""

    mine: Backtest
    other: Backtest
    name: str
    pairs: list[Pair]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What is compared, here and there."""

        def row(what: str, say: Callable[[Backtest], str]) -> tuple[str, str, str]:
            return what, say(self.mine), say(self.other)

        for severity in SEVERITIES:
            yield f"incidents of severity {severity}", str(self.mine.count(severity)), str(self.other.count(severity))
        if self.mine.catches is not None:
            yield row("known incidents caught", lambda one: f"{len(one.caught)} of {len(one.covered)}")
            yield row("median lead over people", _lead)
        known = self.mine.false_pages is not None and self.other.false_pages is not None
        if known:
            yield row("false pages", lambda one: str(len(one.false_pages or [])))
        yield row("false pages a week" if known else "pages a week", _weekly)
        yield row("false pages a week allowed", lambda one: f"{one.budget:g}")


def compare(mine: Backtest, other: Backtest, name: str) -> Comparison:
    """Incidents are the same when they are there at the same time and one's scope includes the other's; of several, the
    one whose scope is equal, else that fired at the nearest time."""
    left = list(other.lives)
    pairs = []
    for life in mine.lives:
        same = [one for one in left if _same(life, one)]
        best = min(same, key=lambda one: (not _equal(life, one), abs(one.fired_at - life.fired_at)), default=None)
        if best is not None:
            left.remove(best)
        pairs.append(Pair(life, best))
    pairs += [Pair(None, life) for life in left]
    pairs.sort(key=lambda pair: (pair.either.fired_at, pair.either.incident_id))
    return Comparison(mine, other, name, pairs)


def summary(comparison: Comparison) -> list[str]:
    """Lines for a terminal."""
    rows = [("", "this", "other"), *comparison.rows()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    out = [f"against {comparison.name}:"]
    out += [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    for pair in comparison.pairs:
        life = pair.either
        out.append(f"  {life.severity}, {scope_name(life.newest.scope)}: {pair.sentence}")
    return out


def plain_comparison(comparison: Comparison) -> dict[str, Any]:
    """For `--json`."""
    return {
        "directory": comparison.name,
        **plain(comparison.other),
        "pairs": [
            {
                "incident_id": pair.mine and pair.mine.incident_id,
                "other_id": pair.other and pair.other.incident_id,
                "severity": pair.mine and pair.mine.severity,
                "other_severity": pair.other and pair.other.severity,
                "later_ms": pair.later_ms,
            }
            for pair in comparison.pairs
        ],
    }


def known_rows(comparison: Comparison) -> Iterator[tuple[str, str, str]]:
    """Known incidents, and what became of them here and there."""
    for one, other in zip(comparison.mine.catches or [], comparison.other.catches or [], strict=True):
        yield one.known.known_id, verdict(one), verdict(other)


def differences(pairs: Sequence[Pair]) -> str:
    """One sentence."""
    mine = counted(sum(pair.other is None for pair in pairs), "incident")
    other = counted(sum(pair.mine is None for pair in pairs), "incident")
    both = sum(pair.mine is not None and pair.other is not None for pair in pairs)
    return f"{mine.capitalize()} only here, {other} only there, {both} in both."


def _weekly(test: Backtest) -> str:
    return "–" if test.weekly is None else f"{test.weekly:.2f}"


def _lead(test: Backtest) -> str:
    return "–" if test.lead_ms is None else duration(test.lead_ms) + ("" if test.lead_ms >= 0 else " later")


def _same(one: Life, other: Life) -> bool:
    if one.newest.kind != other.newest.kind:
        return False
    at_once = overlap((one.onset_at, one.ended_at), (other.onset_at, other.ended_at))
    return at_once and compared(one.newest.scope, other.newest.scope) is not None


def _equal(one: Life, other: Life) -> bool:
    return dict(one.newest.scope) == dict(other.newest.scope)
