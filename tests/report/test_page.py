import re
from html.parser import HTMLParser

import pytest

from pipeline.incidents.known import Known
from pipeline.intent import default
from pipeline.messages import Incident
from pipeline.recordfile import InputFault
from pipeline.replay import Result
from pipeline.report.backtest import backtest
from pipeline.report.comparison import compare
from pipeline.report.courses import Courses
from pipeline.report.page import render
from tests.report.material import HOUR, KNOWN, LIFE, MISSED, START, change, full, month, result

CHANGING = ["log", "ticket", "log"]


def page(incidents: list[Incident] | Result, names: tuple[str, ...] = (), known: list[Known] | None = None) -> str:
    found = incidents if isinstance(incidents, Result) else result(incidents)
    return render(found, names, Courses(), backtest(found, default(), known))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str | None] = []
        self.targets: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        self.targets += [value for name, value in attrs if name == "href"]


def bars(text: str) -> list[tuple[str, float, float]]:
    """Of the time line: the strips of single incidents stand lower down."""
    line = text.partition('<ul class="lanes">')[2].partition("</ul>")[0]
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%"', line)
    return [(state, float(x), float(width)) for state, x, width in found]


@pytest.mark.parametrize("incidents", [LIFE, [full(START + 3 * HOUR)], []])
def test_the_page_asks_for_nothing_and_runs_nothing(incidents: list[Incident]) -> None:
    tags = Tags(page(incidents, ("in.ndjson",), [KNOWN]))
    assert not {"script", "link", "img", "iframe", "object"}.intersection(tags.opened)
    assert not {"src", "srcset", "style"}.intersection(name for name, _ in tags.attributes)
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert all(target is not None and target.startswith("#") for target in tags.targets)


def test_every_link_leads_somewhere_on_the_page() -> None:
    found, courses = month()
    tags = Tags(render(found, [], courses, backtest(found, default(), [KNOWN, MISSED])))
    assert {f"#{name}" for name in tags.ids} >= set(tags.targets)
    assert len(set(tags.ids)) == len(tags.ids)


def test_it_shows_the_sentence_and_when() -> None:
    text = page(LIFE, ("in.ndjson",))
    assert "Firmware fw-1: latency up." in text
    assert "2026-01-05 03:00 UTC" in text
    assert "in.ndjson" in text


def test_the_time_line_shows_each_state_for_as_long_as_it_lasted() -> None:
    assert bars(page(LIFE)) == [
        ("onset", 10.0, 10.0),
        ("forming", 20.0, 10.0),
        ("firing", 30.0, 30.0),
        ("recovering", 60.0, 20.0),
    ]


def test_an_incident_that_has_not_ended_reaches_to_the_end() -> None:
    text = page(LIFE[:2])
    assert bars(text)[-1] == ("firing", 30.0, 70.0)
    assert "still firing" in text


def test_an_onset_before_the_first_record_begins_with_it() -> None:
    early = change("firing", START + HOUR, onset_at=START - HOUR)
    assert bars(page([early]))[0] == ("onset", 0.0, 10.0)


def test_what_never_fired_is_only_counted() -> None:
    text = page([change("forming", START), change("resolved", START + HOUR)])
    assert "Firmware fw-1" not in text
    assert "1 more formed and came to nothing" in text


def test_an_incident_counts_with_the_gravest_severity_it_had_while_firing() -> None:
    records = [change("firing", START + hour * HOUR, severity=severity) for hour, severity in enumerate(CHANGING)]
    assert result([change("forming", START, severity="page"), *records]).fired == {"a1": "ticket"}
    assert '<article class="card ticket"' in page(records)


@pytest.mark.parametrize("wild", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</style><b>"])
def test_names_of_others_are_text_and_never_markup(wild: str) -> None:
    known = [Known(wild, wild, {"firmware": wild}, START, None, START + 9 * HOUR)]
    incident = full(START + 3 * HOUR, text=wild)
    text = page(result([incident], faults=[InputFault(wild, 1, wild)]), (wild,), known)
    assert wild not in text
    assert text.count("</style>") == 1
    tags = Tags(text)
    assert not {"script", "img", "b"}.intersection(tags.opened)


def test_it_counts_the_records_and_says_what_could_not_be_read() -> None:
    text = page(result([], faults=[InputFault("b.gz", 5, "the gzip data is cut off")]), ("b.gz",))
    assert re.search(r"json\.invalid</th><td class=\"number\">2<", text)
    assert "b.gz: the gzip data is cut off, after line 5" in text


def test_an_empty_replay_has_a_page() -> None:
    text = page(Result(0, 0, 0, {}, 0, None, None), ("empty",))
    assert "None." in text
    assert "You would have had no page and no ticket" in text


def test_a_section_has_what_the_record_has_and_leaves_out_what_it_has_not() -> None:
    headings = ["What of the intent it endangers", "What follows from it", "Changes that came before it", "First steps"]
    headings += ["What people did", "Signals", "Who is not affected", "How the evidence came together"]
    rich, poor = page([full(START + 3 * HOUR)]), page(LIFE)
    for heading in headings:
        assert f"<h4>{heading}</h4>" in rich
        assert f"<h4>{heading}</h4>" not in poor


def test_signals_of_a_replay_are_drawn_with_what_was_expected_and_its_band() -> None:
    found, courses = month()
    text = render(found, [], courses, backtest(found, default()))
    assert text.count('<polyline class="observed"') >= 2
    assert text.count('<polyline class="expected"') >= 2
    assert text.count('<polygon class="area"') >= 2


def test_two_intents_stand_side_by_side() -> None:
    mine, other = result(LIFE), result([change("firing", START + 5 * HOUR, severity="ticket")])
    here, there = (backtest(one, default()) for one in (mine, other))
    text = render(mine, [], Courses(), here, compare(here, there, "stricter"))
    assert "Against <bdi>stricter</bdi>" in text
    assert "2 h later, as ticket" in text.replace("120 min", "2 h")


def test_what_a_known_incident_was_worth_is_said() -> None:
    worth = Known("k", "slow", {"firmware": "fw-1"}, START, severity="ticket")
    assert "worth a ticket to people" in page(LIFE, known=[worth])


def test_the_same_result_gives_the_same_page() -> None:
    found, courses = month()
    test = backtest(found, default(), [KNOWN])
    assert render(found, ["a"], courses, test) == render(found, ["a"], courses, test)
