"""The file of known incidents."""

from pathlib import Path

import pytest

from pipeline.config.known import known_incidents
from pipeline.incidents.known import Known
from pipeline.intent import ConfigurationError

GOOD = """version: 1
incidents:
  - id: INC-1
    what: slow
    scope: {firmware: fw-2.4.1}
    from: 2026-01-13T04:00:00Z
    to: 2026-01-18T00:00:00+02:00
    detected_at: 2026-01-14T21:00:00Z
    services: [playback]
    severity: page
  - id: INC-2
    scope: {}
    from: 2026-01-20
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "known.yaml"
    path.write_text(text)
    return path


def faults(folder: Path, entry: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        known_incidents(written(folder, f"version: 1\nincidents:\n{entry}"))
    return [str(fault).removeprefix(f"{folder}/") for fault in raised.value.faults]


def test_it_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert known_incidents(path) == [
        Known(
            "INC-1",
            "slow",
            {"firmware": "fw-2.4.1"},
            1_768_276_800_000,
            1_768_687_200_000,
            1_768_424_400_000,
            ("playback",),
            "page",
        ),
        Known("INC-2", "INC-2", {}, 1_768_867_200_000),
    ]


def test_there_may_have_been_none(tmp_path: Path) -> None:
    assert known_incidents(written(tmp_path, "version: 1\nincidents: []\n")) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("  - {id: a, from: 2026-01-01}\n", "known.yaml:3: scope is missing"),
        ("  - {id: a, scope: {}}\n", "known.yaml:3: from is missing"),
        ("  - {scope: {}, from: 2026-01-01}\n", "known.yaml:3: id is missing"),
        ("  - id: a\n    scope: {firmwares: x}\n    from: 2026-01-01\n", "known.yaml:4: unknown key 'firmwares'"),
        ("  - id: a\n    scope: {}\n    from: yesterday\n", "known.yaml:5: from is 'yesterday'"),
        ("  - id: a\n    scope: {}\n    from: 2026-01-02\n    to: 2026-01-01\n", "known.yaml:6: it is over before"),
        (
            "  - id: a\n    scope: {}\n    from: 2026-01-02\n    detected_at: 2026-01-01\n",
            "known.yaml:6: it was noticed",
        ),
        ("  - id: a\n    scope: {}\n    from: 2026-01-02\n    severity: pages\n", "did you mean 'page'?"),
        ("  - {id: a, scope: {}, from: 2026-01-01}\n  - {id: a, scope: {}, from: 2026-01-02}\n", "is there already"),
        ("  - {id: a, scope: {}, from: 2026-01-01, till: 2026-01-02}\n", "unknown key 'till'"),
    ],
)
def test_a_fault_has_its_line_and_what_would_be_right(entry: str, said: str, tmp_path: Path) -> None:
    assert any(said in fault for fault in faults(tmp_path, entry))


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, "  - {id: a}\n  - {from: x, scope: {}}\n")) >= 3


def test_a_file_without_a_list_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="incidents is missing"):
        known_incidents(written(tmp_path, "version: 1\n"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        known_incidents(tmp_path / "none.yaml")
