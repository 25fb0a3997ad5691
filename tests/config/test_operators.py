"""Operators as configuration: what a file may say, and every fault of a wrong one at once."""

from pathlib import Path

import pytest

from pipeline.config.directory import Configuration, configuration
from pipeline.config.operators import operators
from pipeline.intent import ConfigurationError, Fault
from pipeline.operators import PLAIN, Canonical
from pipeline.operators.cmcd import Cmcd
from pipeline.operators.profile import EnvironmentRule, Measure, Quirk, RejectLimits
from pipeline.operators.rdk import Rdk

WHOLE = """\
version: 1
operator: acme
format: cmcd
topics: [acme.cmcd, acme.cmcd-2]
fields:
  device_class: com.acme-model
  firmware: [com.acme-fw, com.acme-sw]
defaults: {app_version: "1.0"}
operations: {start: playback_start}
outcomes: {E-403: denied}
measures:
  entitlement_check: {attempts: X_ENT, failures: X_BAD, latency: X_MS, unit: s, cumulative: true}
environment: {from: firmware, tokens: {PROD: production}, otherwise: lab}
clock: {believe: arrival, unit: s}
firmwares: {fw-1: 2026-03-01}
interval: 300
rejects: {incident: 0.1, stop: 0.5, least: 10}
quirks:
  - {id: ec, clause: cmcd.ec, owner: crew, reason: dash.js, expires: 2027-01-31, link: "https://x"}
"""

WRONG = """\
version: 2
operator: ""
format: cmdc
topics: [a/b]
fields: {device_klass: x, firmware: 7}
defaults: {environment: staging}
outcomes: {E-1: refused}
measures:
  a: {}
  b: {latency: x, unit: h, cumulative: true}
  7: {latency: x}
environment: {tokens: {PROD: prod}}
clock: {belive: device}
firmwares: {fw-1: soon}
interval: 0
rejects: {incident: 0.5, stop: 0.1}
quirks:
  - {id: a, clause: cmcd.ecc, owner: b}
  - 5
qirks: []
"""


def written(directory: Path, **files: str) -> Path:
    (directory / "operators").mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / "operators" / f"{name}.yaml").write_text(text)
    return directory


def test_everything_that_can_be_said_of_an_operator_is_read(tmp_path: Path) -> None:
    [profile] = configuration(written(tmp_path, acme=WHOLE)).operators.values()
    assert profile.name == "acme"
    assert profile.topics == ("acme.cmcd", "acme.cmcd-2")
    assert profile.fields == {"device_class": ("com.acme-model",), "firmware": ("com.acme-fw", "com.acme-sw")}
    assert profile.defaults == {"app_version": "1.0"}
    assert (profile.operations, profile.outcomes) == ({"start": "playback_start"}, {"E-403": "denied"})
    assert profile.measures == (
        Measure("entitlement_check", "X_ENT", "X_BAD", latency="X_MS", unit="s", cumulative=True),
    )
    assert profile.environment == EnvironmentRule("firmware", {"PROD": "production"}, "lab")
    assert (profile.clock, profile.unit, profile.interval_s) == ("arrival", "s", 300)
    assert profile.released_at == {"fw-1": 1_772_323_200_000}
    assert profile.rejects == RejectLimits(0.1, 0.5, 10)
    assert profile.quirks == (Quirk("ec", "cmcd.ec", "crew", "dash.js", 1_801_353_600_000, "https://x"),)


def test_a_wrong_file_has_every_fault_said_at_once_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, wrong=WRONG) / "operators/wrong.yaml"
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path)
    said = [str(fault) for fault in caught.value.faults]
    lines = [int(text.removeprefix(f"{path}:").split(":")[0]) for text in said]
    assert lines == [1, 2, 3, 4, 5, 5, 6, 7, 9, 10, 10, 11, 12, 12, 13, 14, 15, 16, 18, 18, 18, 19, 20]
    assert f"{path}:3: format is 'cmdc'; did you mean 'cmcd'?" in said
    assert f"{path}:5: unknown key 'device_klass'; did you mean 'device_class'?" in said
    assert f"{path}:18: expires is missing; no quirk without an end: write a date" in said
    assert f"{path}:20: unknown key 'qirks'; did you mean 'quirks'?" in said


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("version: 1\n  format: x\n", 2, "not YAML"),
        ("- 1\n", 1, "not a mapping"),
        ("version: 1\n", 1, "format is missing"),
        ("version: 1\nformat: canonical\nfields: {firmware: x}\n", 3, "fields says nothing of canonical records"),
        ("version: 1\nformat: cmcd\nname: a\x07\n", 3, "not YAML: a control character"),
    ],
)
def test_a_fault_stands_where_it_is(tmp_path: Path, text: str, line: int, wrong: str) -> None:
    faults: list[Fault] = []
    operators(written(tmp_path, a=text), faults)
    assert [(fault.line, fault.wrong.startswith(wrong)) for fault in faults] == [(line, True)]


def test_an_operator_and_a_topic_are_configured_once(tmp_path: Path) -> None:
    one = "version: 1\noperator: acme\nformat: rdk\ntopics: [t]\n"
    faults: list[Fault] = []
    operators(written(tmp_path, a=one, b=one), faults)
    assert [(Path(fault.file).name, fault.line) for fault in faults] == [("b.yaml", 2), ("b.yaml", 4)]


def test_a_file_without_a_name_is_called_after_itself(tmp_path: Path) -> None:
    assert list(configuration(written(tmp_path, norvik="version: 1\nformat: rdk\n")).operators) == ["norvik"]


def test_the_adapter_is_the_operators_or_that_of_the_formats_only_operator(tmp_path: Path) -> None:
    found = configuration(
        written(tmp_path, a="version: 1\nformat: rdk\n", b="version: 1\nformat: cmcd\n", c="version: 1\nformat: cmcd\n")
    )
    assert isinstance(found.adapter(None, None), Canonical)
    rdk, cmcd = found.adapter(None, "rdk"), found.adapter("c", None)
    assert isinstance(rdk, Rdk)
    assert rdk.profile.name == "a"
    assert isinstance(cmcd, Cmcd)
    assert cmcd.profile.name == "c"
    plain = Configuration().adapter(None, "rdk")
    assert isinstance(plain, Rdk)
    assert plain.profile == PLAIN


@pytest.mark.parametrize(
    ("operator", "format_name", "said"),
    [
        ("d", None, "no operator 'd' is configured; there are: a, b"),
        (None, "cmcd", "several operators send cmcd: say which with --operator, of a, b"),
        ("a", "rdk", "a is configured to send cmcd, not rdk"),
    ],
)
def test_whose_records_they_are_has_to_be_clear(
    tmp_path: Path, operator: str | None, format_name: str | None, said: str
) -> None:
    found = configuration(written(tmp_path, a="version: 1\nformat: cmcd\n", b="version: 1\nformat: cmcd\n"))
    with pytest.raises(LookupError, match=said):
        found.adapter(operator, format_name)


def test_faults_of_all_files_are_said_together(tmp_path: Path) -> None:
    written(tmp_path, a="version: 1\n")
    (tmp_path / "intent.yaml").write_text("version: 1\n")
    (tmp_path / "workarounds.yaml").write_text("version: 1\nworkarounds: 7\n")
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path)
    assert [Path(fault.file).name for fault in caught.value.faults] == ["intent.yaml", "a.yaml", "workarounds.yaml"]
