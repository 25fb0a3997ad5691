"""What is drawn of numbers."""

from pipeline.messages import LedgerEntry
from pipeline.report.charts import TimeAxis, of_ledger
from tests.report.material import HOUR, START


def test_evidence_of_several_signals_is_added_once_a_stretch_and_ends_at_their_sum() -> None:
    entries = [
        LedgerEntry(START + at * HOUR, START + (at + 1) * HOUR, "*", signal, nats)
        for at in range(3)
        for signal, nats in (("retry", 3.0), ("gap", 2.0), ("failure", -1.0))
    ]
    plot = of_ledger(entries, [entry.signal for entry in entries], TimeAxis(START, START + 3 * HOUR))
    heights = {
        line.name: [float(pair.split(",")[1]) for points in line.points for pair in points.split()]
        for line in plot.lines
    }
    assert {name: len(course) for name, course in heights.items()} == {
        "all together": 4,
        "retry": 4,
        "gap": 4,
        "failure": 4,
    }
    rise = {name: course[0] - course[-1] for name, course in heights.items()}
    assert abs(rise["all together"] - (rise["retry"] + rise["gap"] + rise["failure"])) < 1.0
    assert rise["all together"] > rise["retry"] > rise["gap"] > 0.0 > rise["failure"]
