"""Known incidents, the budget, and two intents side by side."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.incidents.known import Known, catches, lives
from pipeline.intent import default
from pipeline.messages import Incident
from pipeline.replay import Result
from pipeline.report.backtest import Backtest, backtest, plain, summary
from pipeline.report.comparison import compare, plain_comparison
from pipeline.report.comparison import summary as comparison_summary
from tests.report.material import HOUR, START, change, result


def known(scope: dict[str, str], since: int, until: int | None = None, detected: int | None = None) -> Known:
    return Known(
        "k", "what", scope, START + since * HOUR, until and START + until * HOUR, detected and START + detected * HOUR
    )


def fired(at: int, end: int | None = None, name: str = "a1", **more: object) -> list[Incident]:
    """An incident that fired so many hours after the start; its onset is an hour before."""
    records = [change("firing", START + at * HOUR, name, **{"onset_at": START + (at - 1) * HOUR, **more})]
    return records + ([change("resolved", START + end * HOUR, name, **more)] if end is not None else [])


def held(incidents: Sequence[Incident], *these: Known) -> Backtest:
    return backtest(result(incidents), default(), list(these))


def test_a_known_incident_is_caught_with_the_lead_over_people() -> None:
    test = held(fired(3, 6), known({"firmware": "fw-1"}, 2, 6, 5))
    (catch,) = test.catches or []
    assert (catch.caught, catch.fit, catch.lead_ms) == (True, "exact", 2 * HOUR)
    assert test.false_pages == []
    assert test.headline == "You would have had 1 page, and caught 1 of 1 known incident 2 h earlier than people did."


@pytest.mark.parametrize(
    ("scope", "fit"),
    [
        ({"firmware": "fw-1"}, "exact"),
        ({"firmware": "fw-1", "operator": "altura"}, "wider"),
        ({}, "narrower"),
        ({"operator": "altura"}, None),
        ({"firmware": "fw-2"}, None),
    ],
)
def test_scopes_fit_when_one_includes_the_other(scope: dict[str, str], fit: str | None) -> None:
    test = held(fired(3), known(scope, 2))
    assert test.catches is not None
    assert test.catches[0].fit == fit
    assert len(test.false_pages or []) == (fit is None)


def test_what_was_over_before_it_began_is_missed_and_its_page_false() -> None:
    test = held(fired(3, 4), known({"firmware": "fw-1"}, 5, 8))
    assert not test.caught
    assert [life.incident_id for life in test.false_pages or []] == ["a1"]


def test_another_service_is_another_incident() -> None:
    one = msgspec.structs.replace(fired(3)[0], services=["licensing"])
    wanted = Known("k", "what", {"firmware": "fw-1"}, START, services=("playback",))
    assert not held([one], wanted).caught


def test_what_is_only_logged_has_caught_nothing() -> None:
    test = held(fired(3, severity="log"), known({"firmware": "fw-1"}, 2))
    assert not test.caught
    assert any("only logged" in line for line in summary(test))


def test_the_first_to_tell_a_person_counts_and_all_that_fit_are_no_false_pages() -> None:
    log, first, second = fired(2, severity="log", name="l"), fired(4, name="b"), fired(5, name="c")
    test = held([*log, *first, *second], known({"firmware": "fw-1"}, 1, None, 3))
    assert test.catches is not None
    assert [life.incident_id for life in test.catches[0].by] == ["b", "c", "l"]
    assert test.catches[0].lead_ms == -HOUR
    assert "60 min later than people" in test.headline
    assert test.false_pages == []


def test_a_known_incident_beyond_the_records_is_neither_caught_nor_missed() -> None:
    test = held(fired(3), known({"firmware": "fw-1"}, 200))
    assert not test.covered
    assert "none of the known incidents lies within the records" in test.headline


def test_without_known_incidents_or_verdicts_no_page_is_called_false() -> None:
    test = backtest(result(fired(3)), default())
    assert test.false_pages is None
    assert "is not known" in test.budget_sentence


def test_the_word_of_a_person_counts() -> None:
    false, true = fired(3, verdict="false_alarm", name="f"), fired(3, verdict="true", name="t")
    assert [life.incident_id for life in backtest(result([*false, *true]), default()).false_pages or []] == ["f"]
    assert [life.incident_id for life in held([*false, *true]).false_pages or []] == ["f"]


def test_false_pages_are_held_against_the_budget_by_the_week() -> None:
    found = result([*fired(3, name="a"), *fired(5, name="b")], last_at=START + 14 * 24 * HOUR)
    test = backtest(found, default(), [])
    assert test.weekly == pytest.approx(1.0)
    assert test.budget_sentence == "2 false pages in 2 weeks, 1 a week; the intent allows 0.5 false pages a week."


scopes = st.fixed_dictionaries({}, optional={"firmware": st.sampled_from("ab"), "operator": st.sampled_from("xy")})
incidents = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 3), scopes, st.sampled_from(["page", "ticket", "log"])), max_size=5
)
written = st.lists(st.tuples(scopes, st.integers(0, 9), st.integers(1, 5)), max_size=4)


@given(incidents, written)
def test_every_page_is_of_a_known_incident_or_false_and_never_both(
    drawn: list[tuple[int, int, dict[str, str], str]], these: list[tuple[dict[str, str], int, int]]
) -> None:
    records = [
        record
        for number, (at, lasts, scope, severity) in enumerate(drawn)
        for record in fired(at, at + lasts + 1, f"i{number}", scope=scope, severity=severity)
    ]
    found: Result = result(records)
    alive = lives(found.incidents, found.fired)
    all_known = [known(scope, since, since + lasts) for scope, since, lasts in these]
    told, false = catches(all_known, alive, found.first_at, found.last_at)
    explained = {life.incident_id for catch in told for life in catch.by}
    pages = {life.incident_id for life in alive if life.severity == "page"}
    assert {life.incident_id for life in false} == pages - explained
    assert all(not catch.caught or catch.fit is not None for catch in told)


def test_two_intents_are_paired_by_time_and_scope() -> None:
    mine = backtest(result([*fired(3, 5), *fired(6, name="only", scope={"operator": "x"})]), default())
    later = fired(4, 5, severity="ticket", scope={"firmware": "fw-1", "operator": "altura"})
    other = backtest(result([*later, *fired(7, name="new", scope={"operator": "y"})]), default())
    found = compare(mine, other, "there")
    assert [(p.mine and p.mine.incident_id, p.other and p.other.incident_id) for p in found.pairs] == [
        ("a1", "a1"),
        ("only", None),
        (None, "new"),
    ]
    assert found.pairs[0].later_ms == HOUR
    assert found.pairs[0].sentence == "60 min later, as ticket"
    assert any("only with the other" in line for line in comparison_summary(found))
    assert msgspec.json.decode(msgspec.json.encode(plain_comparison(found)))["pairs"][1]["other_id"] is None


def test_the_same_intent_differs_in_nothing() -> None:
    one = backtest(result([*fired(3, 5), *fired(6, name="b")]), default())
    found = compare(one, one, "same")
    assert [pair.sentence for pair in found.pairs] == ["at the same time"] * 2


def test_what_json_says_is_plain() -> None:
    said = msgspec.json.decode(msgspec.json.encode(plain(held(fired(3), known({"firmware": "fw-1"}, 2, None, 5)))))
    assert said["caught"] == said["covered"] == 1
    assert said["known"][0]["lead_ms"] == 2 * HOUR
