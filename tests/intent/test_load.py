"""The intent file: what is right is read, and of what is wrong every fault is said, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config.intent import load
from pipeline.intent import ConfigurationError, Intent, Priority, Service, default

DATA = Path(__file__).with_name("data")

RIGHT = """\
version: 1
false_pages_per_week: 2
services:
  films:
    operations: [playback_start, stall]
    priority: best_effort
  rights:
    operations:
      - entitlement_check
      - NO
    priority: non_negotiable
"""

FAULTS = {
    "budget_endless": ["2: false_pages_per_week is inf; give a number above 0, such as 0.5"],
    "budget_missing": ["2: false_pages_per_week is None; give a number above 0, such as 0.5"],
    "budget_nan": ["2: false_pages_per_week is nan; give a number above 0, such as 0.5"],
    "budget_negative": ["2: false_pages_per_week is -1; give a number above 0, such as 0.5"],
    "budget_not_a_number": ["2: false_pages_per_week is 'often'; give a number above 0, such as 0.5"],
    "budget_true": ["2: false_pages_per_week is True; give a number above 0, such as 0.5"],
    "budget_zero": ["2: false_pages_per_week is 0; give a number above 0, such as 0.5"],
    "control_character": ["2: not YAML: a control character, U+0000; remove it"],
    "duplicate_key": ["3: not YAML: found duplicate key"],
    "empty": ["1: not a mapping; begin with the keys version, false_pages_per_week, services"],
    "misspelt_key": [
        "2: unknown key 'false_page_per_week'; did you mean 'false_pages_per_week'?",
        "4: unknown key 'operation'; did you mean 'operations'?",
    ],
    "no_services": ["1: services is missing or empty; name at least one service with its operations"],
    "no_version": ["1: version is None; write 'version: 1'"],
    "not_a_mapping": ["1: not a mapping; begin with the keys version, false_pages_per_week, services"],
    "not_utf8": ["1: not UTF-8; save it as UTF-8"],
    "not_yaml": ["4: not YAML: "],
    "operation_is_a_number": ["4: operations of 'playback' are no list of names; write operations: [playback_start]"],
    "operation_too_long": ["4: operations of 'playback' are no list of names; write operations: [playback_start]"],
    "operations_missing": ["3: operations of 'playback' are no list of names; write operations: [playback_start]"],
    "operations_not_a_list": ["5: operations of 'playback' are no list of names; write operations: [playback_start]"],
    "priority_missing": [
        "3: priority of 'playback' is None; choose one of non_negotiable, degradable, best_effort",
    ],
    "priority_unknown": [
        "5: priority of 'playback' is 'page'; choose one of non_negotiable, degradable, best_effort",
    ],
    "service_is_no_mapping": ["3: service 'playback' is not a mapping; give it operations and a priority"],
    "service_name_is_a_number": ["3: the name of a service is 7; make it text: '7', in quotes"],
    "services_empty": ["2: services is missing or empty; name at least one service with its operations"],
    "several_faults": [
        "1: version is 3; write 'version: 1'",
        "2: unknown key 'servces'; did you mean 'services'?",
        "3: false_pages_per_week is 0; give a number above 0, such as 0.5",
        "6: operations of 'playback' are no list of names; write operations: [playback_start]",
        "7: priority of 'playback' is 'high'; choose one of non_negotiable, degradable, best_effort",
        "11: unknown key 'owner'; known are operations, priority",
    ],
    "unknown_key_of_a_merge": ["1: unknown key 'budget'; known are version, false_pages_per_week, services"],
    "unknown_version": ["2: version is 2; write 'version: 1'"],
    "version_is_true": ["1: version is True; write 'version: 1'"],
}


def test_every_file_of_faults_is_held_to_what_is_wrong_in_it() -> None:
    assert sorted(FAULTS) == sorted(path.stem for path in DATA.iterdir())


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_is_said_at_once_with_file_and_line_and_what_would_be_right(name: str, tmp_path: Path) -> None:
    file = tmp_path / "intent.yaml"
    shutil.copy(DATA / f"{name}.yaml", file)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == len(FAULTS[name]), said
    for fault, begins in zip(said, FAULTS[name], strict=True):
        assert fault.startswith(f"{file}:{begins}")
    assert str(caught.value).splitlines() == said


def test_what_is_written_is_the_intent(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(RIGHT)
    assert load(tmp_path) == Intent(
        services=(
            Service("films", ("playback_start", "stall"), Priority.BEST_EFFORT),
            Service("rights", ("entitlement_check", "NO"), Priority.NON_NEGOTIABLE),
        ),
        false_pages_per_week=2.0,
    )


def test_the_budget_is_half_a_false_page_a_week_unless_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(RIGHT.replace("false_pages_per_week: 2\n", ""))
    assert load(tmp_path).false_pages_per_week == 0.5


def test_a_directory_without_an_intent_has_the_default(tmp_path: Path) -> None:
    assert load(tmp_path) == default()


def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such directory; give a directory of configuration"):
        load(tmp_path / "none")


def test_an_intent_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"intent\.yaml:1: cannot be read: Is a directory"):
        load(tmp_path)
