"""What can be used and is probably not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.directory import configuration
from pipeline.detect.calibration import Calibration, least_budget

SERVICE = "  playback: {operations: [playback_start], priority: non_negotiable"
BEGINNING = f"version: 1\nservices:\n{SERVICE}"
TOLD = BEGINNING + "}\nreceivers:\n  on-call: {kind: pagerduty, routing_key_file: /k}\n"


def said(text: str, tmp_path: Path) -> list[str]:
    """Line, what is wrong and what would be right."""
    (tmp_path / "intent.yaml").write_text(text)
    begin = len(str(tmp_path / "intent.yaml:"))
    return [str(one)[begin:] for one in configuration(tmp_path).remarks]


def test_a_clean_intent_is_passed_in_silence(tmp_path: Path) -> None:
    assert said(TOLD + "routes: {page: on-call}\n", tmp_path) == []


def test_the_default_intent_is_passed_in_silence(tmp_path: Path) -> None:
    assert configuration(tmp_path).remarks == ()


def test_an_operation_that_nobody_is_known_to_send_is_hinted_at(tmp_path: Path) -> None:
    text = "version: 1\nservices:\n  a:\n    priority: degradable\n    operations:\n    - playbak_start\n    - reboot\n"
    open_set = "(operations are an open set, so this is a hint only)"
    assert said(text, tmp_path) == [
        f"6: nothing known sends 'playbak_start'; did you mean 'playback_start'? {open_set}",
        f"7: nothing known sends 'reboot'; see that somebody sends it {open_set}",
    ]


def test_an_operation_of_an_operators_file_is_known(tmp_path: Path) -> None:
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators/acme.yaml").write_text(
        "version: 1\nformat: cmcd\noperations: {zap: channel_change}\nmeasures: {reboot: {attempts: X}}\n"
    )
    operations = "[channel_change, reboot, playback_start]"
    assert said(f"version: 1\nservices:\n  a: {{operations: {operations}, priority: degradable}}\n", tmp_path) == []


def test_an_operation_of_two_services_or_twice_of_one_is_told(tmp_path: Path) -> None:
    text = BEGINNING + "}\n  b: {operations: [stall, playback_start, stall], priority: degradable}\n"
    right = "its incidents name both, and are as grave as the graver one: leave it with one"
    assert sorted(said(text, tmp_path)) == [
        f"4: operation 'playback_start' is of 'playback' and of 'b'; {right}",
        "4: operation 'stall' stands in 'b' twice; once is enough",
    ]


def test_a_budget_that_calibration_cannot_vouch_for_is_told_with_the_bound(tmp_path: Path) -> None:
    (told,) = said(BEGINNING + "}\nfalse_pages_per_week: 0.001\n", tmp_path)
    assert told.startswith("4: 0.001 false pages a week cannot be promised; ")
    assert f"below {least_budget():.2g} " in told
    assert said(BEGINNING + "}\nfalse_pages_per_week: 0.01\n", tmp_path) == []


@pytest.mark.parametrize(("factor", "falls"), [(0.5, False), (2.0, True)])
def test_the_bound_is_where_a_life_of_quiet_weeks_without_any_sighting_begins_to_say_something(
    factor: float, falls: bool
) -> None:
    """Years without anything near the threshold lower it by less than half of what they would, below the bound."""
    calibration = Calibration()
    for _ in range(52 * 20):
        calibration.pass_time(7 * 86_400_000, least_budget() * factor)
    assert (calibration.weeks * calibration._nominal > 5.0) == falls


def test_a_receiver_that_is_never_told_anything_is_told(tmp_path: Path) -> None:
    told = said(TOLD + "  desk: {kind: slack, api_url_file: /s, channel: c}\nroutes: {page: on-call}\n", tmp_path)
    assert told == ["6: receiver 'desk' is never told anything; route something to it"]


@pytest.mark.parametrize(
    ("routes", "line"), [("", 3), ("  void: {kind: none}\nroutes: {page: void}\n", 4), ("routes: {page: nobody}\n", 4)]
)
def test_pages_that_reach_nobody_are_told(routes: str, line: int, tmp_path: Path) -> None:
    told = [one for one in said(TOLD + routes, tmp_path) if "never told" not in one]
    assert len(told) == 1
    assert "nobody is told of pages of playback; write routes: {page: …} with a receiver that tells" in told[0]


def test_services_with_a_receiver_of_their_own_or_of_their_owner_need_no_route(tmp_path: Path) -> None:
    own = BEGINNING + ", route: on-call}\n" + TOLD.partition("}\n")[2]
    owned = BEGINNING + ", owner: crew}\n" + TOLD.partition("}\n")[2] + "owners: {crew: on-call}\n"
    assert said(own, tmp_path) == said(owned, tmp_path) == []


def test_a_heartbeat_to_people_and_an_owner_of_nothing_are_told(tmp_path: Path) -> None:
    text = TOLD + "routes: {page: on-call}\ndead_man: on-call\nowners: {crew: on-call}\n"
    heartbeat, owner = said(text, tmp_path)
    assert heartbeat.startswith("7: the heartbeat dead_man goes to 'on-call', which people read; ")
    assert owner == "8: owner 'crew' owns nothing; known owners are none"


def test_the_owner_of_a_workaround_owns_something(tmp_path: Path) -> None:
    (tmp_path / "workarounds.yaml").write_text(
        "version: 1\nworkarounds:\n  - {id: a, owner: crew, reason: r, scope: {operator: acme}, opened: 2026-09-01, "
        "expires: 2026-12-01}\n"
    )
    assert said(TOLD + "routes: {page: on-call}\nowners: {crew: on-call}\n", tmp_path) == []


def test_two_heartbeats_to_one_switch_are_told_as_one_would_hide_the_others_end(tmp_path: Path) -> None:
    hook = '  hook: {kind: webhook, url: "https://x"}\n'
    (told,) = said(TOLD + hook + "routes: {page: on-call}\ndead_man: hook\nalive: hook\n", tmp_path)
    assert told.startswith("9: dead_man and alive both lead to 'hook'; ")
