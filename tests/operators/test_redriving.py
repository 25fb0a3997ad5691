"""A bad deployment of ours refuses three records in ten: the feed is an incident at once, and nothing is lost."""

import zlib

from pipeline.engine import Engine, Output
from pipeline.intent import default
from pipeline.messages import Reject
from pipeline.operators.cmcd import Cmcd
from pipeline.operators.gate import SPAN, RejectGate
from pipeline.operators.jsontext import UnusableRecordError
from pipeline.operators.payload import Record
from pipeline.operators.profile import Profile, RejectLimits
from pipeline.operators.reading import Reading
from pipeline.records import RecordBatch
from pipeline.rejects import lines_again, reject_of
from pipeline.replay import reject_line

START = 1_790_000_040_000
MINUTES = 60
A_MINUTE = 60
PROFILE = Profile(name="acme", format="cmcd", defaults={"device_class": "g2"})


class Broken(Cmcd):
    version = "cmcd/2"

    def read(self, record: Record) -> Reading:
        if zlib.crc32(record.value) % 10 < 3 and record.value[record.value.find(b"ts=") :] >= b"ts=17900018":
            raise UnusableRecordError(reason="cmcd.syntax", detail="a regression")
        return super().read(record)


def lines() -> list[bytes]:
    step = 60_000 // A_MINUTE
    return [
        b'e=t,sid="s%d",sn=%d,ts=%d,v=2' % (number % 7, number // 7, START + step * number)
        for number in range(MINUTES * A_MINUTE)
    ]


def fed(engine: Engine, values: list[bytes]) -> Output:
    out = Output()
    batch = RecordBatch("feed", range(1, len(values) + 1), values)
    for made in (engine.feed(batch), engine.finish()):
        out.rejects += made.rejects
        out.incidents += made.incidents
    return out


def test_the_feed_is_an_incident_in_a_minute_and_everything_is_accepted_after_the_fix() -> None:
    engine = Engine(default(), adapter=Broken(PROFILE))
    out = fed(engine, lines())
    began = next(number for number, value in enumerate(lines()) if b"ts=17900018" in value)
    incident = out.incidents[0]
    assert (incident.kind, incident.state, incident.scope) == ("feed", "firing", {"operator": "acme"})
    assert incident.signals[0].clause == "rejected"
    assert abs(incident.at - (START + 1_000 * began)) <= 60_000, "in the minute in which it began"
    assert {found.incident_id for found in out.incidents} == {incident.incident_id}
    assert len(out.rejects) > 300
    assert {(reject.adapter, reject.operator) for reject in out.rejects} == {("cmcd/2", "acme")}

    # As they stand in a file of rejects, and come out of it again.
    kept = [reject_of(reject_line(reject)) for reject in out.rejects]
    assert kept == out.rejects
    again = [line.rstrip(b"\n") for line in lines_again(kept)]
    mended = Engine(default(), adapter=Cmcd(PROFILE))
    accepted = [value for value in lines() if value not in set(again)]
    fed(mended, accepted)
    fed(mended, again)
    totals = mended.ingest.totals
    assert (totals.accepted, totals.duplicates, totals.rejected.total()) == (len(lines()), 0, 0)
    fed(mended, again)
    assert (totals.accepted, totals.duplicates) == (len(lines()), len(again)), "a second time doubles nothing"


def test_a_feed_that_is_well_again_is_resolved_after_ten_minutes_of_it() -> None:
    values = lines()
    for number in range(600, 900, 2):
        values[number] = b"broken"
    # What is broken says no time of its own, so these come from a topic.
    engine = Engine(default(), adapter=Cmcd(PROFILE))
    stamps = [START + 1_000 * number for number in range(len(values))]
    out = engine.feed(RecordBatch("t/0", range(len(values)), values, stamps))
    states = [(found.state, (found.at - START) // 60_000) for found in out.incidents]
    assert states == [("firing", 10), ("recovering", 15), ("resolved", 25)]


def test_a_few_refused_records_are_no_incident() -> None:
    values = lines()
    for number in range(0, len(values), 30):
        values[number] = b"broken"
    engine = Engine(default(), adapter=Cmcd(PROFILE))
    stamps = [START + 1_000 * number for number in range(len(values))]
    out = engine.feed(RecordBatch("t/0", range(len(values)), values, stamps))
    assert len(out.rejects) == len(values) // 30
    assert out.incidents == []


def test_the_gate_closes_beyond_the_second_limit_and_only_there() -> None:
    def closes_at(share: float, stop: float | None) -> int | None:
        gate = RejectGate(RejectLimits(0.05, stop, 20))
        return next((number for number in range(1, 50) if gate.count(100, round(100 * share))), None)

    assert closes_at(0.3, 0.5) is None
    assert closes_at(0.6, 0.5) == 1
    assert closes_at(1.0, None) is None
    gate = RejectGate(RejectLimits(0.05, 0.5, 20))
    assert not gate.count(10, 10), "too few to say"
    for _ in range(20):
        assert not gate.count(SPAN, 0)
    assert not gate.count(400, 400)
    assert gate.count(400, 400), "what was long ago does not count"


def test_a_refused_record_keeps_its_headers_and_place() -> None:
    adapter = Cmcd(PROFILE)
    decoded = adapter.decode(RecordBatch("t/3", [41], [b"broken"], [START], [[("k", b"v")]]))
    [refusal] = decoded.rejects
    assert refusal.reject == Reject(
        "cmcd.syntax",
        None,
        refusal.reject.place,
        "no key of CMCD: b'broken'",
        b"broken",
        START,
        "cmcd/1",
        "acme",
        (("k", b"v"),),
    )
    assert str(refusal.reject.place) == "t/3:41"
