"""A worker's settings: where they come from, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.behind import access_of
from pipeline.intent import ConfigurationError
from pipeline.stream.settings import Address, Settings, load

ENOUGH = {"brokers": "kafka:9092", "inputs": ["telemetry"]}


def faults(arguments: Mapping[str, Any], environment: Mapping[str, str], directory: Path | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(arguments, environment, directory)
    return [str(fault) for fault in caught.value.faults]


def written(directory: Path, text: str) -> Path:
    (directory / "worker.yaml").write_text(text)
    return directory


def test_the_command_line_alone_will_do() -> None:
    settings = load(ENOUGH, {}, None)
    assert settings == Settings((Address("kafka", 9092),), {"telemetry": "canonical"})


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    directory = written(tmp_path, "version: 1\ngroup: file\nprefix: file.\nidle_after_s: 3\n")
    environment = {"SEAMWATCH_GROUP": "environment", "SEAMWATCH_PREFIX": "environment."}
    settings = load({**ENOUGH, "group": "argument"}, environment, directory)
    assert (settings.group, settings.prefix, settings.idle_after_s) == ("argument", "environment.", 3.0)


def test_inputs_have_formats(tmp_path: Path) -> None:
    directory = written(tmp_path, "version: 1\nbrokers: [a:1, 'b:2']\ninputs: {acme: canonical, other: }\n")
    settings = load({}, {}, directory)
    assert settings.inputs == {"acme": "canonical", "other": "canonical"}
    assert settings.bootstrap == "a:1,b:2"


def test_stages_are_in_the_order_of_the_stream_however_they_are_named() -> None:
    assert load({**ENOUGH, "stages": "pattern, ingest"}, {}, None).stages == ("ingest", "pattern")


def test_the_page_can_be_switched_off() -> None:
    assert load({**ENOUGH, "web": "off"}, {}, None).web is None


def test_every_fault_of_a_file_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    directory = written(
        tmp_path, "version: 1\nbroker: a:1\ninputs:\n  acme: canonicle\nidle_after_s: soon\nweb: everywhere\n"
    )
    path = directory / "worker.yaml"
    assert faults({}, {}, directory) == [
        f"{path}:2: unknown key 'broker'; did you mean 'brokers'?",
        f"{path}:3: unknown format 'canonicle' of acme: did you mean 'canonical'; "
        "see inputs in `seamwatch worker --help`",
        f"{path}:5: 'soon' is no number of seconds from 0.1 to 86400; see idle_after_s in `seamwatch worker --help`",
        f"{path}:6: 'everywhere' is no HOST:PORT; see web in `seamwatch worker --help`",
    ]


def test_a_file_without_a_version_is_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, "group: mine\n")
    assert faults(ENOUGH, {}, directory) == [f"{directory}/worker.yaml:1: version is None; write 'version: 1'"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version: [", "not YAML"),
        (b"- a\n", "not a mapping"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "worker.yaml").write_bytes(content)
    (fault,) = faults(ENOUGH, {}, tmp_path)
    assert f"{tmp_path}/worker.yaml:1: {said}" in fault


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (fault,) = faults(ENOUGH, {}, tmp_path / "absent")
    assert fault.startswith(f"{tmp_path}/absent:1: no such directory")


def test_without_broker_and_input_both_are_asked_for() -> None:
    said = faults({}, {})
    assert [fault.split(":")[0] for fault in said] == ["--brokers", "--input"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("brokers", "kafka", "'kafka' is no HOST:PORT"),
        ("brokers", "kafka:65536", "'kafka:65536' is no HOST:PORT"),
        ("brokers", ":9092", "':9092' is no HOST:PORT"),
        ("inputs", ["a b"], "'a b' is no topic name"),
        ("inputs", [""], "'' is no topic name"),
        ("inputs", ["x" * 250], "is no topic name"),
        ("prefix", "seam watch", "cannot begin a topic name"),
        ("group", " ", "' ' is no name"),
        ("stages", "ingest,bake", "unknown stage 'bake'"),
        ("alertmanager", "127.0.0.1:9093", "is no URL"),
        ("idle_after_s", "0", "is no number of seconds"),
        ("idle_after_s", "nan", "is no number of seconds"),
        ("idle_after_s", True, "is no number of seconds"),
        ("lookback", "-1", "is no number of records"),
        ("lookback", "1.5", "is no number of records"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: object, said: str) -> None:
    (fault,) = faults({**ENOUGH, name: value}, {})
    assert said in fault


def test_a_variable_that_cannot_be_used_is_named() -> None:
    (fault,) = faults(ENOUGH, {"SEAMWATCH_CHECKPOINT_S": "often"})
    assert fault.startswith("$SEAMWATCH_CHECKPOINT_S:1: 'often' is no number of seconds")


def test_an_address_of_ipv6_keeps_its_brackets() -> None:
    settings = load({**ENOUGH, "brokers": "[::1]:9092"}, {}, None)
    assert settings.brokers == (Address("::1", 9092),)
    assert settings.bootstrap == "[::1]:9092"


def test_who_may_do_what_on_the_page_is_read_from_a_file_or_the_command_line(tmp_path: Path) -> None:
    directory = written(
        tmp_path,
        "version: 1\nweb_tokens_file: tokens\nweb_proxies: [10.0.0.0/24, '::1']\nweb_actors: [alice, bob]\n"
        "web_hosts: [watch.example]\nweb_open: off\nweb_prefix: /seamwatch/\n",
    )
    settings = load({**ENOUGH, "web_open": "on"}, {}, directory)
    assert settings.web_tokens_file == Path("tokens")
    assert (settings.web_proxies, settings.web_actors) == (("10.0.0.0/24", "::1"), ("alice", "bob"))
    assert (settings.web_hosts, settings.web_open, settings.web_prefix) == (("watch.example",), True, "/seamwatch")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web_proxies", "everybody"),
        ("web_prefix", "seamwatch"),
        ("web_prefix", "/a'b"),
        ("web_user_header", "X User"),
        ("web_open", "perhaps"),
        ("web_actors", "alice,,bob"),
    ],
)
def test_what_cannot_guard_the_page_is_a_fault(name: str, value: str) -> None:
    (said,) = faults({**ENOUGH, name: value}, {})
    assert said.startswith(f"--{name.replace('_', '-')}:1: ")


def test_a_file_of_tokens_that_cannot_be_used_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("\nalice act secret\n")
    for file, said in (("tokens", ":2: no NAME read|act SHA256"), ("none", ":1: cannot be read")):
        settings = load({**ENOUGH, "web_tokens_file": str(tmp_path / file)}, {}, None)
        with pytest.raises(ConfigurationError) as caught:
            access_of(settings)
        (fault,) = map(str, caught.value.faults)
        assert said in fault
        assert "secret" not in fault
