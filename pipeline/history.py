"""Anchors out of records that exist already: the stages up to baseline, run over files or topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Evidence, Learned
from pipeline.ingest import Ingest
from pipeline.messages import Reject
from pipeline.operators import Adapter
from pipeline.records import RecordBatch


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learnt, and from what.

    Attributes:
        days: length of the history. cohorts, young: with a full day or more, and without.
        doubts: what is wrong with the days, a sentence each.
    """

    learned: list[Learned]
    records: int
    accepted: int
    rejected: int
    days: float
    cohorts: int
    young: int
    doubts: list[str]


def learn(
    batches: Iterable[tuple[str, RecordBatch]],
    sources: Iterable[str],
    *,
    adapter: Callable[[str], str | Adapter],
    progress: Callable[[], object] = lambda: None,
) -> Lesson:
    """Learn from batches of records, each of a source and in its order.

    Args:
        sources: all that there are.
        adapter: the wire format of a source.
        progress: called after each batch.
    """
    named = list(sources)
    ingests = {source: Ingest(source, adapter=adapter(source)) for source in named}
    baseline = Baseline(named)
    span: list[int] = []

    def take(messages: Iterable[object]) -> None:
        for message in messages:
            if not isinstance(message, Reject):
                for said in baseline.feed(message):  # type: ignore[arg-type]  # what ingest answers with
                    if isinstance(said, Evidence):
                        span[:] = [span[0] if span else said.minute, said.minute]

    for source, batch in batches:
        take(ingests[source].feed(batch))
        progress()
    for ingest in ingests.values():
        take(ingest.flush())
    since, until = (span[0], span[1]) if span else (0, 0)
    learned = baseline.hand_over(since, until)
    cohorts = sum(len(each.cohorts) for each in learned)
    totals = [ingest.totals for ingest in ingests.values()]
    return Lesson(
        learned=learned,
        records=sum(total.records for total in totals),
        accepted=sum(total.accepted for total in totals),
        rejected=sum(sum(total.rejected.values()) for total in totals),
        days=(until - since) / 86_400_000,
        cohorts=cohorts,
        young=baseline.cohorts - cohorts,
        doubts=baseline.doubts,
    )
