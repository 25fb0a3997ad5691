"""What a replay would have come to on call: who was woken, how often for nothing, and what was caught how much earlier.

A page is false when a person has said so, or when known incidents are given and it is of none of them. Where neither is
given, nothing is claimed: then only the number of pages is held against the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.incidents.known import Catch, Known, Life, catches, lives
from pipeline.intent import Intent
from pipeline.replay import SEVERITIES, Result
from pipeline.report.words import WEEK_MS, counted, duration, figure, instant, scope_name


@dataclass(frozen=True, slots=True)
class Backtest:
    """lives: incidents that fired, in order. catches: of each known incident; None: none were given. false_pages: None:
    not known. weeks: length of the records."""

    lives: list[Life]
    weeks: float
    budget: float
    catches: list[Catch] | None
    false_pages: list[Life] | None

    def count(self, severity: str) -> int:
        return sum(life.severity == severity for life in self.lives)

    @property
    def covered(self) -> list[Catch]:
        """Known incidents that the records reach into."""
        return [catch for catch in self.catches or [] if catch.covered]

    @property
    def caught(self) -> list[Catch]:
        return [catch for catch in self.covered if catch.caught]

    @property
    def leads(self) -> list[int]:
        """Of those that were caught and that people noticed at a known time, ms."""
        return [catch.lead_ms for catch in self.caught if catch.lead_ms is not None]

    @property
    def lead_ms(self) -> float | None:
        """Their median."""
        return median(self.leads) if self.leads else None

    @property
    def weekly(self) -> float | None:
        """False pages a week, or pages where it is not known which are false; None for records of no length."""
        if self.weeks <= 0:
            return None
        return (self.count("page") if self.false_pages is None else len(self.false_pages)) / self.weeks

    @property
    def headline(self) -> str:
        """The one sentence that a report begins with."""
        told = f"You would have had {counted(self.count('page'), 'page')}"
        if self.catches is None:
            return f"{told} and {counted(self.count('ticket'), 'ticket')} in {length(self.weeks)}."
        if not self.covered:
            return f"{told} in {length(self.weeks)}; none of the known incidents lies within the records."
        caught = f"{len(self.caught)} of {counted(len(self.covered), 'known incident')}"
        return f"{told}, and caught {caught}{_earlier(self.leads)}."

    @property
    def budget_sentence(self) -> str:
        """Budget used, and by what it is known."""
        allowed = f"the intent allows {figure(self.budget)} false pages a week"
        if self.weekly is None:
            return f"Nothing to hold against the budget; {allowed}."
        rate = f"{self.weekly:.2f}".rstrip("0").rstrip(".")
        over = f"in {length(self.weeks)}, {rate} a week; {allowed}"
        if self.false_pages is None:
            pages = counted(self.count("page"), "page")
            return (
                f"{pages.capitalize()} {over}. Which of them were false is not known: no known incidents, no verdict."
            )
        return f"{counted(len(self.false_pages), 'false page').capitalize()} {over}."


def backtest(result: Result, intent: Intent, known: Sequence[Known] | None = None) -> Backtest:
    found = lives(result.incidents, result.fired)
    spoken = [life for life in found if life.newest.verdict is not None]
    told: list[Catch] | None = None
    false: list[Life] | None = None
    if known is not None:
        told, false = catches(known, found, result.first_at, result.last_at)
        # A person's word on one of them counts for more than that nobody wrote it down.
        false = [life for life in false if life.newest.verdict != "true"]
        false += [life for life in spoken if _called_false(life) and life not in false]
    elif spoken:
        false = [life for life in spoken if _called_false(life)]
    first, last = result.first_at, result.last_at
    weeks = 0.0 if first is None or last is None else (last - first) / WEEK_MS
    return Backtest(found, weeks, intent.false_pages_per_week, told, false)


def length(weeks: float) -> str:
    return f"{figure(weeks)} weeks" if weeks >= 2 else duration(weeks * WEEK_MS)


def verdict(catch: Catch) -> str:
    """`caught`, `missed`, `only logged` or `not covered`."""
    if not catch.covered:
        return "not covered"
    return "caught" if catch.caught else "only logged" if catch.by else "missed"


def lead(catch: Catch) -> str:
    """How much earlier than people, or how long after it began."""
    if not catch.caught:
        return "–"
    if catch.lead_ms is None:
        return f"{duration(catch.by[0].fired_at - catch.known.since)} after it began"
    return f"{duration(catch.lead_ms)} {'earlier' if catch.lead_ms >= 0 else 'later'} than people"


def summary(test: Backtest) -> list[str]:
    """A few lines for a terminal."""
    out = [test.headline, test.budget_sentence]
    for catch in test.catches or []:
        by = f" by {catch.by[0].incident_id} ({catch.by[0].severity}, {catch.fit} scope)" if catch.by else ""
        told = f", {lead(catch)}" if catch.caught else ""
        out.append(f"  {catch.known.known_id}: {verdict(catch)}{by}{told}")
    for life in test.false_pages or [] if test.catches is not None else []:
        out.append(
            f"  false page {life.incident_id}, {instant(life.fired_at)}: {scope_name(life.newest.scope)} "
            "is of no known incident"
        )
    return out


def plain(test: Backtest) -> dict[str, Any]:
    """For `--json`; times in ms."""
    return {
        "weeks": round(test.weeks, 4),
        "budget_false_pages_per_week": test.budget,
        "false_pages": None if test.false_pages is None else [life.incident_id for life in test.false_pages],
        "incidents": {severity: test.count(severity) for severity in SEVERITIES},
        "caught": None if test.catches is None else len(test.caught),
        "covered": None if test.catches is None else len(test.covered),
        "median_lead_ms": test.lead_ms,
        "known": None if test.catches is None else [_plain_catch(catch) for catch in test.catches],
    }


def _plain_catch(catch: Catch) -> dict[str, Any]:
    first = catch.by[0] if catch.by else None
    return {
        "id": catch.known.known_id,
        "result": verdict(catch).replace(" ", "_"),
        "by": [life.incident_id for life in catch.by],
        "severity": first and first.severity,
        "fired_at": first and first.fired_at,
        "scope": catch.fit,
        "lead_ms": catch.lead_ms,
    }


def _called_false(life: Life) -> bool:
    return life.newest.verdict == "false_alarm" and life.severity == "page"


def _earlier(leads: Sequence[int]) -> str:
    if not leads:
        return ""
    middle = median(leads)
    said = f"{duration(middle)} {'earlier' if middle >= 0 else 'later'} than people did"
    return f" {said}" if len(leads) == 1 else f", a median of {said}"
