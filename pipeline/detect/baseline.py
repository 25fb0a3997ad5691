"""The baseline stage: windows of cohorts in; per cohort and minute what was counted, and what its anchor expects, out.

Keyed by operator: silence, the shape of the day and the prior of a thin cohort all need the operator's whole view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import season
from models.snapshot import Plain, SnapshotError, expect_version
from pipeline.detect.acceptance import accept
from pipeline.detect.anchors import AnchorBook, AnchorPolicy
from pipeline.detect.channels import COHORT_RATES, EVERY, ChannelTable
from pipeline.detect.counting import DELAY, Gauge, count
from pipeline.detect.evidence import Anchors, Evidence, Learned, arrays_from_plain, arrays_to_plain
from pipeline.detect.feedbook import Delays, FeedBook
from pipeline.detect.firsts import Firsts
from pipeline.detect.handover import check, hand_over, take_up
from pipeline.detect.learning import close_slot
from pipeline.detect.rejectwatch import with_rejects
from pipeline.detect.roster import Bounds, Roster, is_overflow
from pipeline.detect.strangers import Strangers
from pipeline.detect.succession import Succession
from pipeline.detect.volumes import VolumeBook, is_backfill
from pipeline.detect.watermark import Watermark
from pipeline.messages import MINUTE_MS, Change, CohortWindow, Decision, Tick, Windows
from pipeline.observation import UNKNOWN, Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]
Parts: TypeAlias = dict[Cohort, list[CohortWindow]]

VERSION: Final = 2
"""Of the snapshot."""

HOUR_MS: Final = 60 * MINUTE_MS
TOLD_MS: Final = 2 * HOUR_MS
"""Of a silence so long every minute is told."""
MOST_TOLD: Final = 10_000
"""Decisions and histories that are remembered, so that one that comes twice counts once."""

_GAP: Final = COHORT_RATES.index("gap")


class Baseline:
    """Counts against fixed cut points, learns anchors, watches the feeds.

    Args:
        sources: the logs that feed the windows; a minute is closed when all of them (that are not idle) have closed it.
        name: this stage's own name as a source for the next one, e.g. `windows/3`.
        policy: how anchors are learnt.
        bounds: how many cohorts are kept apart.
    """

    def __init__(
        self,
        sources: Iterable[str],
        name: str = "baseline",
        policy: AnchorPolicy | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.name = name
        self._sources = tuple(sources)
        self._policy = policy or AnchorPolicy()
        self._bounds = bounds or Bounds()
        self._watermark = Watermark(self._sources)
        self._pending: dict[int, list[Windows]] = defaultdict(list)
        self._closed: int | None = None
        self._heard = 0
        """The last minute in which something came."""
        self._slot: int | None = None
        self._table = ChannelTable()
        self._book = AnchorBook(self._table, self._policy)
        self._gauge = Gauge(self._book)
        self._roster = Roster(self._bounds)
        self._volumes = VolumeBook()
        self._succession = Succession()
        self._strangers = Strangers()
        self._feeds = FeedBook()
        self._firsts = Firsts()
        self._waiting: list[Learned] = []
        """Taken up when the first minute closes."""
        self._told: dict[str, None] = {}
        """Messages that count once: the last ones."""

    def feed(self, message: Windows | Tick | Decision | Learned) -> list[Evidence | Anchors | Change | Tick]:
        """Take one message; answer with all that it allowed to be closed, and this stage's own tick.

        A window of a minute that is closed already is late: it counts in the minute that closes next. It never
        reopens a verdict, it adds to it. What a person decides, or was learnt elsewhere, counts from the next on.

        Raises:
            SnapshotError: what was learnt elsewhere does not fit together; nothing was taken from it.
        """
        if isinstance(message, Decision):
            return self._decide(message)
        if isinstance(message, Learned):
            check(message)
            if not self._news(message.learned_id):
                return []
            if self._slot is None:
                self._waiting.append(message)
                return []
            return list(self._take_over(message, self._slot, self._next()))
        if isinstance(message, Windows):
            self._pending[message.minute].append(message)
            return []
        upto = self._watermark.advance(message)
        if upto is None or (self._closed is not None and upto <= self._closed):
            return []
        due: dict[int, list[Windows]] = defaultdict(list)
        for minute in sorted(minute for minute in self._pending if minute <= upto):
            late = self._closed is not None and minute <= self._closed
            due[(self._closed or 0) + MINUTE_MS if late else minute] += self._pending.pop(minute)
        for minute in self._silent(due, upto):
            due[minute] = []  # the clock runs, and nothing came: that is silence, and nobody else will tell
        out: list[Evidence | Anchors | Change | Tick] = []
        for minute in sorted(due):
            out += self._close(minute, due[minute])
        self._closed = upto
        out.append(Tick(self.name, upto))
        return out

    def _silent(self, due: Mapping[int, Sequence[Windows]], upto: int) -> list[int]:
        """Minutes up to `upto` in which nothing came, that are to be closed all the same: all of the first two hours of
        a silence, then one an hour. Which they are follows from the windows alone, however ticks were cut."""
        found = []
        if len(self._feeds) and self._closed is not None:
            for minute in range(self._closed + MINUTE_MS, upto + 1, MINUTE_MS):
                if minute in due:
                    self._heard = minute
                elif minute - self._heard <= TOLD_MS or minute % HOUR_MS == 0:
                    found.append(minute)
        elif due:
            self._heard = max(due)
        return found

    @property
    def cohorts(self) -> int:
        """How many are kept apart."""
        return len(self._book)

    @property
    def doubts(self) -> list[str]:
        """What is wrong with the days that anchors were learnt from, a sentence each."""
        return sorted({text for text in self._book.doubt if text})

    def hand_over(self, since: int, until: int) -> list[Learned]:
        """What was learnt here, for another stage; call it when the history is over.

        The two hours that are open are closed first.
        """
        if self._slot is not None:
            self._gauge.read_cut_points(self._slot, season.SLOTS)
            close_slot(self._book, self._slot, self._slot + 1)
            self._slot += 1
        return hand_over(self._book, self._volumes, since, until)

    def _decide(self, decision: Decision) -> list[Evidence | Anchors | Change | Tick]:
        if self._slot is None or not self._news(decision.decision_id):
            return []
        accepted = accept(self._book, decision, self._slot)
        return list(self._book.messages(self.name, self._next(), accepted.rows, []))

    def _take_over(self, learned: Learned, slot: int, minute: int) -> list[Anchors]:
        self._firsts.take_up(learned.cohorts, learned.since)
        for operation in dict.fromkeys(channel.operation for channel in learned.channels):
            if operation != EVERY:
                self._table.admit(operation)
        self._book.fit()
        if any(channel not in self._table.channels for channel in learned.channels):
            return []  # more operations than there is room for: what was learnt does not fit this stage
        rows: dict[int, int] = {}
        for there, cohort in enumerate(learned.cohorts):
            if cohort not in self._book:
                row = self._roster.place(cohort, minute)
                if row is None or row < len(self._book):
                    continue
                self._book.admit(cohort, slot, row)
                self._roster.enter(cohort, row, minute, None)
            row = self._book.row(cohort)
            if self._book.days[row] < 1.0 and not self._book.is_borrowed.data[row].any():
                self._gauge.forget(row)
                self._succession.forget(row)
                rows[row] = there
        self._volumes.fit(len(self._book))
        if not rows:
            return []
        take_up(self._book, self._volumes, learned, rows)
        return self._book.messages(self.name, minute, sorted(rows), [])

    def _next(self) -> int:
        """The minute that closes next."""
        assert self._closed is not None
        return self._closed + MINUTE_MS

    def _news(self, identity: str) -> bool:
        """Whether a message that counts once has not counted yet."""
        if identity in self._told:
            return False
        self._told[identity] = None
        while len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        return True

    def snapshot(self) -> Plain:
        """All that this stage knows, as plain data."""
        self._book.fit()
        return {
            "version": VERSION,
            "watermark": self._watermark.snapshot(),
            "pending": [[minute, msgspec.to_builtins(windows)] for minute, windows in sorted(self._pending.items())],
            "closed": self._closed,
            "heard": self._heard,
            "slot": self._slot,
            "operations": self._table.snapshot(),
            "book": self._book.snapshot(),
            "histograms": self._gauge.snapshot(),
            "roster": self._roster.snapshot(),
            "volumes": self._volumes.snapshot(len(self._book)),
            "succession": self._succession.snapshot(),
            "strangers": self._strangers.snapshot(),
            "feeds": self._feeds.snapshot(),
            "firsts": self._firsts.snapshot(),
            "waiting": [msgspec.to_builtins(learned, enc_hook=arrays_to_plain) for learned in self._waiting],
            "told": list(self._told),
        }

    def restore(self, state: Plain) -> None:
        """Become what a snapshot was taken of. When it is refused, nothing has changed.

        Raises:
            SnapshotError: it is of another version, or damaged.
        """
        expect_version(state, "a baseline stage", VERSION)
        new = Baseline(self._sources, self.name, self._policy, self._bounds)
        try:
            new._take_up(state)
        except SnapshotError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, msgspec.MsgspecError) as error:
            msg = f"the snapshot of a baseline stage is damaged: {type(error).__name__}: {error}"
            raise SnapshotError(msg) from error
        self.__dict__.update(new.__dict__)

    def _take_up(self, state: Plain) -> None:
        self._watermark.restore(state["watermark"])
        for minute, windows in state["pending"]:
            self._pending[minute] = msgspec.convert(windows, list[Windows])
        self._closed, self._heard, self._slot = state["closed"], state["heard"], state["slot"]
        self._table = ChannelTable(tuple(state["operations"]))
        self._book = AnchorBook(self._table, self._policy)
        self._book.restore(state["book"])
        self._gauge = Gauge(self._book)
        self._gauge.restore(state["histograms"])
        self._roster.restore(state["roster"], self._book.cohorts)
        self._volumes.restore(state["volumes"], len(self._book))
        self._succession.restore(state["succession"])
        self._strangers.restore(state["strangers"])
        self._feeds = FeedBook.of(state["feeds"])
        if "firsts" in state:  # before, nothing was inferred
            self._firsts.restore(state["firsts"])
        self._waiting = msgspec.convert(state["waiting"], list[Learned], dec_hook=arrays_from_plain)
        self._told = dict.fromkeys(state["told"])

    def _close(self, minute: int, windows: list[Windows]) -> list[Evidence | Anchors | Change]:
        slot = minute // season.SLOT_MS
        changed: set[int] = set()
        if self._slot is not None and slot != self._slot:
            self._gauge.read_cut_points(self._slot, season.SLOTS)
            changed.update(close_slot(self._book, self._slot, slot))
        slot_over, self._slot = slot != self._slot, slot
        out: list[Evidence | Anchors | Change] = []
        for learned in self._waiting:
            out += self._take_over(learned, slot, minute)
        self._waiting.clear()
        firsts = [first for part in windows for first in self._firsts.look(part.operator, part.cohorts, minute)]
        firsts.sort(key=lambda first: first.change_id)  # however the minute was spread over sources
        out += firsts
        parts, gone = self._housed(windows, minute, changed)
        cohorts = sorted(parts)
        rows = np.array([self._book.row(cohort) for cohort in cohorts], dtype=np.intp)
        groups = [parts[cohort] for cohort in cohorts]
        records = np.array([sum(part.records for part in group) for group in groups], dtype=np.float64)
        self._feeds.judge(minute, cohorts, records.tolist())
        aside = self._set_aside(minute, cohorts, rows, records)
        if slot_over:
            self._strangers.look(self._book.cohorts, self._volumes.expected(minute, len(self._book)))
        for row, court in self._succession.look(minute, self._book.cohorts).items():
            self._book.borrow(row, court.candidates, court.weights)
            changed.add(row)
        out += self._book.messages(self.name, minute, sorted(changed), gone)
        n, x = self._gauge.measure(rows, count(groups, self._table), ~aside)
        outage = np.array([self._feeds.explains_gaps(cohort, minute) for cohort in cohorts], dtype=np.bool_)
        n[outage, _GAP] = x[outage, _GAP] = 0.0
        self._strangers.hand_over(rows, n, x)
        expected = self._book.expected(rows, n, minute + MINUTE_MS / 2)
        lag = np.array([_mean_lag(group) for group in groups])
        self._feeds.delays(minute, cohorts, self._delays(rows, n, x, expected, lag))
        self._learn(cohorts, rows, n, x, aside)
        out.append(
            Evidence(
                source=self.name,
                minute=minute,
                cohorts=cohorts,
                channels=list(self._table.channels),
                n=n,
                x=x,
                expected=expected,
                aside=aside | self._strangers.among(rows),
                lag_ms=lag,
                feeds=with_rejects(self._feeds.health(minute), minute, windows),
            )
        )
        return out

    def _housed(self, windows: Iterable[Windows], minute: int, changed: set[int]) -> tuple[Parts, list[Cohort]]:
        """What came of each cohort that has a row; newcomers get one, or are counted in an overflow cohort.

        Rows whose anchor is new are added to `changed`. Also returns the cohorts that are forgotten.
        """
        parts: Parts = defaultdict(list)
        for window in windows:
            for part in window.cohorts:
                parts[Cohort(window.operator, part.device_class, part.firmware, part.environment)].append(part)
        for operation in sorted({name for group in parts.values() for part in group for name in part.operations}):
            self._table.admit(operation)
        self._book.fit()
        gone: list[Cohort] = []
        usual = self._volumes.expected(minute, len(self._book))
        newcomers = []
        for cohort in sorted(parts):
            if is_overflow(cohort):  # ingest had too many in its minute
                self._feeds.pooled(cohort.operator, minute, sum(part.records for part in parts[cohort]))
            if cohort in self._book:
                self._roster.seen[self._book.row(cohort)] = minute
            else:
                newcomers.append(cohort)
        for cohort in newcomers:
            records = sum(part.records for part in parts[cohort])
            row = self._roster.place(cohort, minute) if self._roster.may_enter(cohort, records) else None
            if row is None:
                group = parts.pop(cohort)
                overflow = self._roster.overflow(cohort)
                self._feeds.pooled(overflow.operator, minute, records)
                if overflow not in self._book:
                    self._admit(overflow, len(self._book), minute, usual, gone)
                self._roster.seen[self._book.row(overflow)] = minute
                parts[overflow] += group
            elif self._admit(cohort, row, minute, usual, gone):
                changed.add(row)
        self._volumes.fit(len(self._book))
        if any(UNKNOWN in (cohort.firmware, cohort.environment) for cohort in newcomers):
            self._strangers.look(self._book.cohorts, self._volumes.expected(minute, len(self._book)))
        return parts, gone

    def _admit(self, cohort: Cohort, row: int, minute: int, usual: Floats, gone: list[Cohort]) -> bool:
        """Give a cohort a row, perhaps another's; says whether it starts on an anchor. `usual`: volumes by row."""
        assert self._slot is not None
        old = self._book.cohorts[row] if row < len(self._book) else None
        if old is not None:
            gone.append(old)
            self._gauge.forget(row)
            self._volumes.forget(row)
            self._succession.forget(row)
            self._strangers.forget(row)
        self._book.admit(cohort, self._slot, row)
        self._roster.enter(cohort, row, minute, old)
        if is_overflow(cohort):
            self._strangers.add(row)
            return False
        lenders = [other for other in self._roster.group(cohort) if other < len(usual) and self._book.lends(other, row)]
        if not lenders:
            return False
        court = self._succession.begin(row, lenders, usual, minute)
        self._book.borrow(row, court.candidates, court.weights)
        return True

    def _set_aside(self, minute: int, cohorts: Sequence[Cohort], rows: Rows, records: Floats) -> Flags:
        """Which cohorts of the minute are neither judged nor learnt from; counts the volume of the others."""
        rows_now = len(self._book)
        usual = self._volumes.expected(minute, rows_now)
        sound = {
            part: self._feeds.is_sound(*part) for part in {(c.operator, c.device_class) for c in self._book.cohorts}
        }
        trusted = np.array([sound[c.operator, c.device_class] for c in self._book.cohorts], dtype=np.bool_)
        by_row = np.zeros(rows_now)
        by_row[rows] = records
        self._volumes.learn(minute, by_row, trusted)
        self._succession.count(minute, by_row, usual, trusted)
        return np.asarray(~trusted[rows] | is_backfill(usual[rows], records))

    def _delays(self, rows: Rows, n: Floats, x: Floats, expected: Floats, lag: Floats) -> Delays:
        """How late each cohort's records are, of those whose usual delay is known."""
        book = self._book
        known = book.mass.data[rows, DELAY] > 0
        units = np.where(known, n[:, DELAY], 0.0)
        room = units * (book.high.data[rows, DELAY] - book.middle.data[rows, DELAY]) - expected[:, DELAY]
        excess = np.where(known, x[:, DELAY] - expected[:, DELAY], 0.0)
        return Delays(units, excess, np.where(known, room, 0.0), units * lag, units * book.base_ms.data[rows, DELAY])

    def _learn(self, cohorts: Sequence[Cohort], rows: Rows, n: Floats, x: Floats, aside: Flags) -> None:
        late = np.array([self._feeds.is_late(cohort) for cohort in cohorts], dtype=np.bool_)
        use = ~aside & ~late
        self._book.learn(rows[use], n[use], x[use])
        if late.any():
            # Of a late feed nothing is learnt. What its delay is now is kept, for a person to accept: it is frozen.
            keep = late & ~aside & self._book.frozen.data[rows, DELAY]
            self._book.learn_column(rows[keep], DELAY, n[keep, DELAY], x[keep, DELAY])


def _mean_lag(parts: Sequence[CohortWindow]) -> float:
    records = sum(part.lag_records for part in parts)
    return sum(part.lag_sum_ms for part in parts) / records if records else 0.0
