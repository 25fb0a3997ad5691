"""The account of an incident: from all of its records, and from the newest alone."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intent import Intent, Priority, Receiver, Service
from pipeline.messages import Action, Incident, Signal
from pipeline.replay import evidence_lines
from pipeline.report.account import Account, account, end
from pipeline.report.cost import cost, decode
from pipeline.report.html import render
from pipeline.report.markdown import escape, markdown
from tests.detect.planted import FAILURE, LATENCY, Plant, at, quick
from tests.report.material import HOUR, LIFE, START, change, full, month

NEWEST = msgspec.structs.replace(
    full(START + 3 * HOUR),
    state="resolved",
    at=START + 9 * HOUR,
    forming_at=START + HOUR,
    fired_at=START + 2 * HOUR,
    acknowledged_at=START + 3 * HOUR,
    recovering_at=START + 8 * HOUR,
    resolved_at=START + 9 * HOUR,
    summary="It is back.",
    onset_at=START + HOUR,
)


def part(told: Account, heading: str) -> str:
    return "\n".join(next((one.sentences for one in told.parts if one.heading == heading), []))


def test_the_newest_record_alone_tells_the_whole_course() -> None:
    told = account([NEWEST])
    states = [(event.what, event.at) for event in told.events if event.kind == "state"]
    assert states == [
        ("forming", START + HOUR),
        ("firing", START + 2 * HOUR),
        ("recovering", START + 8 * HOUR),
        ("resolved", START + 9 * HOUR),
    ]
    assert {"sign", "onset", "change", "person", "effect"} <= {event.kind for event in told.events}
    assert dict(told.facts)["Time to detect"] == "60 min"
    assert dict(told.facts)["Time to recover"] == "6 h"


def test_events_are_in_the_order_in_which_they_happened() -> None:
    for records in ([NEWEST], LIFE, month()[0].incidents):
        times = [event.at for event in account(records).events]
        assert times == sorted(times)


def test_all_records_say_each_state_once() -> None:
    times = {"forming_at": LIFE[0].at, "fired_at": LIFE[1].at, "recovering_at": LIFE[2].at, "resolved_at": LIFE[3].at}
    records = [*LIFE[:3], msgspec.structs.replace(LIFE[3], **times)]
    assert [e.what for e in account(records).events if e.kind == "state"] == [
        "forming",
        "firing",
        "recovering",
        "resolved",
    ]


def test_what_was_said_anew_while_it_fired_is_told() -> None:
    grown = change("firing", START + 5 * HOUR, scope={})
    assert "firing, said anew" in [event.what for event in account([*LIFE[:2], grown]).events]


def test_who_was_told_is_said_by_the_intent() -> None:
    services = (Service("fw-1", ("playback_start",), Priority.NON_NEGOTIABLE, route="crew"),)
    receivers = (Receiver("crew", "slack"), Receiver("all", "webhook"))
    routed = Intent(services, receivers=receivers, routes={"page": "all"})
    assert part(account([NEWEST], routed), "Who was told").startswith("crew, as a page")
    assert "give --config" in part(account([NEWEST]), "Who was told")
    assert "fw-1 acknowledged it" in part(account([NEWEST], routed), "Who was told")
    assert part(account([change("forming", START)]), "Who was told") == "Nobody: it never fired."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verdict": "false_alarm"}, "called it a false alarm"),
        ({"verdict": "true"}, "confirmed it"),
        ({"workaround": "w-1", "owner": "acme"}, "workaround w-1, owed by acme"),
        ({"actions": [Action("x", START, "ada", "full", "accept", "new normal")]}, "ada accepted its level"),
    ],
)
def test_what_was_learnt_is_said(more: dict[str, object], said: str) -> None:
    assert said in part(account([msgspec.structs.replace(NEWEST, **more)]), "What was learnt")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (NEWEST, "It is back."),
        (change("firing", START), "It has not: its state is firing."),
        (change("suppressed", START), "Nothing is said to have recovered"),
        (change("resolved", START, merged_into="other"), "other explains it"),
    ],
)
def test_why_one_believes_that_it_recovered(record: Incident, said: str) -> None:
    assert said in part(account([record]), "What recovered, and why one believes it")


def test_without_evidence_the_cost_is_in_cohort_hours_and_says_so() -> None:
    said = part(account([NEWEST]), "What it cost")
    assert said == "3 cohorts for 7 h: 21 cohort-hours. Devices are counted only with --evidence."


def measured(*plants: Plant, signal: Signal, state: str = "resolved") -> list[str]:
    lines = [decode(line) for one in quick(4.0, *plants) for line in evidence_lines(one)]
    incident = change(
        state, at(4.0), onset_at=at(1.0), recovering_at=at(3.0), scope={"firmware": "stb-1.1"}, signals=[signal]
    )
    assert end(incident) == at(3.0)
    found = cost(incident, end(incident), lines)
    return [*found.sentences(), *found.back()]


def test_with_evidence_it_is_in_device_minutes_beyond_those_expected() -> None:
    signal = Signal("playback_start", "failure", "up", 0.06, 0.02, 3.0, 1.0, "step")
    lost, back = measured(Plant(FAILURE, 3.0, {"firmware": "stb-1.1"}, 1.0, 3.0), signal=signal)
    found = re.match(r"playback_start failure: ([\d,]+) device-minutes beyond the ([\d,]+) expected, of ([\d,]+)", lost)
    assert found is not None
    beyond, usual, units = (int(number.replace(",", "")) for number in found.groups())
    assert units == 3 * 60 * 12 * 24 * 2  # cohorts, units in five minutes, of two days
    assert usual == pytest.approx(0.02 * units, abs=1)
    assert beyond == pytest.approx(2 * usual, rel=0.1)
    assert back.startswith("In its last hour playback_start failure: ")


def test_a_latency_says_by_how_much_each_took_longer() -> None:
    # The fleet's reference point is what is expected: a mean deviation of nought would be taken for no anchor.
    signal = Signal("playback_start", "latency", "up", 1_040.0, 800.0, 1.3, 1.0, "step", 0.5)
    shifted = [
        msgspec.structs.replace(one, expected=one.expected + 1e-9 * one.n)
        for one in quick(2.0, Plant(LATENCY, 1.3, {}, 0.0, 2.0))
    ]
    lines = [decode(line) for one in shifted for line in evidence_lines(one)]
    incident = change("firing", at(2.0), onset_at=at(0.0), scope={}, signals=[signal])
    (said,) = cost(incident, at(2.0), lines).sentences()
    assert "each +30 % of what was expected" in said


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)


def test_the_html_asks_for_nothing_and_holds_names_as_text() -> None:
    wild = "<script>alert(1)</script><img src=x>"
    told = account([full(START + 3 * HOUR, text=wild)])
    text = render("account.html", told=told)
    tags = Tags(text)
    assert not {"script", "img", "link", "a"}.intersection(tags.opened)
    assert "&lt;script&gt;" in text
    assert "First steps that the intent has" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](http://b)", r"\[a\](http\://b)"),
        ("www.b.c", r"www\.b.c"),
        ("<img src=x>", "&lt;img src=x>"),
        ("a\n# b", "a # b"),
        ("# b", r"\# b"),
        ("- b-c", r"\- b-c"),
        ("12. b", r"12\. b"),
        ("3) b", r"3\) b"),
        ("1.5 days", "1.5 days"),
        ("> b", r"\> b"),
        ("x\u202etxt", "x\N{REPLACEMENT CHARACTER}txt"),
        ("a | b `c`", r"a \| b \`c\`"),
    ],
)
def test_markdown_shows_names_as_text(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text(max_size=60))
def test_no_name_breaks_out_of_its_line_in_markdown(text: str) -> None:
    said = escape(text)
    assert "\n" not in said
    assert "<" not in said
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|~$]", said.replace("&lt;", "").replace("&amp;", ""))


@given(st.text(alphabet="ab1.-+<>[]()|#`*_\n\\&\u202e", min_size=1, max_size=20))
def test_a_name_changes_neither_the_headings_nor_the_rows_of_an_account(text: str) -> None:
    def frame(name: str) -> list[str]:
        lines = markdown(account([full(START + 3 * HOUR, text=name)])).splitlines()
        return [line if line.startswith("##") else line[:2] for line in lines]

    assert frame(text) == frame("plain")


def test_html_and_markdown_are_of_one_model() -> None:
    told = account([NEWEST])
    page, text = render("account.html", told=told), markdown(told)
    for one in told.parts:
        assert one.sentences
        assert one.heading in page
        assert f"## {one.heading}" in text
