"""The published schema is the loader's: what the loader accepts it accepts, and what it refuses the loader refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.config.directory import configuration
from pipeline.config.intent import load, read, schema
from pipeline.intent import Fault
from tests.intent.intents import damaged, documents, loaded, write
from tests.intent.test_load import DATA, FAULTS, RIGHT, WHOLE

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(schema.schema())

NOT_OF_ONE_PLACE = {
    "degradation_of_another_operation",
    "degradation_twice",
    "dependencies_in_a_circle",
    "depends_on_itself",
    "depends_on_nothing",
    "email_with_half_of_a_login",
    "nobody_is_somebody",
    "quiet_hours_all_week",
    "quiet_hours_of_no_length",
    "route_to_nobody_known",
    "threshold_operation_of_another",
    "threshold_twice",
    "threshold_window_too_long",
    "thresholds_contradict",
    "webhook_without_an_address",
}
"""Faults that only show when several places are read together, or numbers within a text."""
NOT_YAML = {"control_character", "duplicate_key", "not_utf8", "not_yaml"}
OF_YAML = {"budget_nan", "service_name_is_a_number", "unknown_key_of_a_merge"}
"""Faults that JSON has no words for."""


def parsed(text: str) -> Any:
    # As an editor has it: plain values.
    return YAML(typ="safe").load(text)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema.schema())


def test_the_published_file_is_what_the_code_says() -> None:
    assert (ROOT / "docs/intent.schema.json").read_text(encoding="utf-8") == schema.document()


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        WHOLE,
        (ROOT / "deploy/seamwatch/intent.yaml").read_text(encoding="utf-8"),
        # A later key may well be written and still be empty.
        RIGHT + "receivers:\nroutes:\nowners:\nquiet_hours:\ndead_man:\n",
    ],
)
def test_what_the_loader_accepts_the_schema_accepts(text: str, tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(text)
    load(tmp_path)
    assert [error.message for error in VALIDATOR.iter_errors(parsed(text))] == []


@settings(max_examples=25)
@given(document=documents())
def test_the_two_agree_on_whatever_is_right(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("intent")
    loaded(document, directory)
    lines = (directory / "intent.yaml").read_text(encoding="utf-8").count("\n") + 1
    assert all(1 <= remark.line <= lines for remark in configuration(directory).remarks)
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@settings(max_examples=40)
@given(document=damaged())
def test_of_whatever_is_wrong_the_loader_says_where_and_the_schema_refuses_nothing_that_it_accepts(
    document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("intent")
    faults: list[Fault] = []
    write(document, directory)
    read(directory, faults)
    lines = (directory / "intent.yaml").read_text(encoding="utf-8").count("\n") + 1
    assert all(1 <= fault.line <= lines for fault in faults)
    assert len(set(faults)) == len(faults)
    if not faults:
        assert [one.message for one in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - OF_YAML - NOT_YAML))
def test_of_what_is_wrong_the_schema_refuses_all_that_shows_in_one_place(name: str) -> None:
    document = parsed((DATA / f"{name}.yaml").read_text())
    refused = bool(list(VALIDATOR.iter_errors(json.loads(json.dumps(document)))))
    assert refused == (name not in NOT_OF_ONE_PLACE)


@pytest.mark.parametrize("name", sorted(NOT_YAML))
def test_what_is_not_yaml_no_schema_ever_sees(name: str) -> None:
    with pytest.raises((YAMLError, UnicodeDecodeError)):
        parsed((DATA / f"{name}.yaml").read_text(encoding="utf-8"))
