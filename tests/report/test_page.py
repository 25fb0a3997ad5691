import re
from html.parser import HTMLParser

from pipeline.messages import Incident
from pipeline.recordfile import InputFault
from pipeline.replay import Result
from pipeline.report import render

HOUR = 3_600_000
START = 1_767_571_200_000


def change(state: str, at: int, incident_id: str = "a1", **more: object) -> Incident:
    fields: dict[str, object] = {
        "severity": "page",
        "onset_at": START + HOUR,
        "scope": {"firmware": "fw-1"},
        "services": ["playback"],
        "signals": [],
        "kind": "pattern",
        "evidence": 7.0,
        "summary": "Firmware fw-1: latency up.",
        **more,
    }
    return Incident(incident_id=incident_id, state=state, at=at, **fields)  # type: ignore[arg-type]


def result(incidents: list[Incident], faults: list[InputFault] | None = None) -> Result:
    return Result(10, 7, 1, {"json.invalid": 2}, 3, START, START + 10 * HOUR, incidents, faults or [])


CHANGING = ["log", "ticket", "log"]
LIFE = [
    change("forming", START + 2 * HOUR),
    change("firing", START + 3 * HOUR),
    change("recovering", START + 6 * HOUR),
    change("resolved", START + 8 * HOUR),
]


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.attributes += attrs


def bars(page: str) -> list[tuple[str, float, float]]:
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', page)
    return [(state, float(x), float(width)) for state, x, width in found]


def test_the_page_asks_for_nothing_from_outside() -> None:
    tags = Tags(render(result(LIFE), ["in.ndjson"]))
    assert not {"script", "link", "img", "iframe", "object"}.intersection(tags.opened)
    assert not {"src", "href", "srcset"}.intersection(name for name, _ in tags.attributes)


def test_it_shows_the_sentence_and_when() -> None:
    page = render(result(LIFE), ["in.ndjson"])
    assert "Firmware fw-1: latency up." in page
    assert "2026-01-05 03:00 UTC" in page
    assert "in.ndjson" in page


def test_the_time_line_shows_each_state_for_as_long_as_it_lasted() -> None:
    assert bars(render(result(LIFE), [])) == [
        ("onset", 100.0, 100.0),
        ("forming", 200.0, 100.0),
        ("firing", 300.0, 300.0),
        ("recovering", 600.0, 200.0),
    ]


def test_an_incident_that_has_not_ended_reaches_to_the_end() -> None:
    page = render(result(LIFE[:2]), [])
    assert bars(page)[-1] == ("firing", 300.0, 700.0)
    assert "still firing" in page


def test_an_onset_before_the_first_record_begins_with_it() -> None:
    early = change("firing", START + HOUR, onset_at=START - HOUR)
    assert bars(render(result([early]), []))[0] == ("onset", 0.0, 100.0)


def test_what_never_fired_is_only_counted() -> None:
    page = render(result([change("forming", START), change("resolved", START + HOUR)]), [])
    assert "Firmware fw-1" not in page
    assert "1 more formed and came to nothing" in page


def test_an_incident_counts_with_the_gravest_severity_it_had_while_firing() -> None:
    records = [change("firing", START + hour * HOUR, severity=severity) for hour, severity in enumerate(CHANGING)]
    assert result([change("forming", START, severity="page"), *records]).fired == {"a1": "ticket"}
    assert '<td class="severity ticket">' in render(result(records), [])


def test_names_of_others_are_text_and_never_markup() -> None:
    wild = "<script>alert(1)</script>"
    page = render(result([change("firing", START, scope={"firmware": wild}, summary=wild)]), [wild])
    assert wild not in page
    assert "&lt;script&gt;" in page


def test_it_counts_the_records_and_says_what_could_not_be_read() -> None:
    page = render(result([], [InputFault("b.gz", 5, "the gzip data is cut off")]), ["b.gz"])
    assert re.search(r"json\.invalid</th><td class=\"number\">2<", page)
    assert "b.gz: the gzip data is cut off, after line 5" in page


def test_an_empty_replay_has_a_page() -> None:
    page = render(Result(0, 0, 0, {}, 0, None, None), ["empty"])
    assert "None." in page
