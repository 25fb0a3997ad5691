from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.directory import configuration
from pipeline.intent import ConfigurationError
from pipeline.workarounds import Workaround

WHOLE = """\
version: 1
workarounds:
  - id: slow
    owner: crew
    reason: mended in 2.4.2
    scope: {operator: acme, device_class: stb-g2}
    tolerates: {signals: [latency], operations: [playback_start], kinds: [pattern], most: 1.5}
    opened: 2026-09-01
    expires: 2026-12-01
    link: https://tracker.example/1
"""
WRONG = """\
version: 1
workaround: []
workarounds:
  - id: a
  - {id: a, owner: b, reason: c, scope: {}, opened: 2026-09-01, expires: 2026-08-01}
  - {id: a, owner: b, reason: c, scope: {operater: x}, opened: 2026-09-01, expires: never}
  - {id: d, owner: b, reason: c, scope: {operator: x}, opened: 2026-09-01, expires: 2029-08-01}
  - {id: d, owner: b, reason: c, scope: {operator: x}, tolerates: {signals: [laten], most: 0.5}, opened: 2026-09-01,
     expires: 2026-10-01}
"""


def written(directory: Path, text: str) -> Path:
    (directory / "workarounds.yaml").write_text(text)
    return directory


def test_everything_that_can_be_said_of_a_workaround_is_read(tmp_path: Path) -> None:
    assert configuration(written(tmp_path, WHOLE)).intent.workarounds == (
        Workaround(
            "slow",
            "crew",
            "mended in 2.4.2",
            {"operator": "acme", "device_class": "stb-g2"},
            1_788_220_800_000,
            1_796_083_200_000,
            ("latency",),
            ("playback_start",),
            ("pattern",),
            1.5,
            "https://tracker.example/1",
        ),
    )


def test_no_suppression_without_owner_reason_scope_and_end_and_every_fault_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration(written(tmp_path, WRONG))
    assert [(fault.line, fault.wrong.split(" ")[0]) for fault in caught.value.faults] == [
        (2, "unknown"),
        (4, "owner"),
        (4, "reason"),
        (4, "opened"),
        (4, "expires"),
        (4, "scope"),
        (5, "scope"),
        (5, "it"),
        (6, "expires"),
        (6, "unknown"),
        (7, "it"),
        (8, "signals"),
        (8, "most"),
        (8, "workaround"),
    ]


def day(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


@pytest.mark.parametrize(("left", "said"), [(13, "expires in 1"), (-2, "has expired"), (20, None)])
def test_check_warns_two_weeks_before_something_expires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left: int, said: str | None
) -> None:
    text = WHOLE.replace("2026-09-01", day(-30)).replace("2026-12-01", day(left))
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators/acme.yaml").write_text(
        f"version: 1\nformat: cmcd\nquirks: [{{id: ec, clause: cmcd.ec, owner: o, reason: r, expires: {day(left)}}}]\n"
    )
    assert main(["check", str(written(tmp_path, text))]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (2 if said else 0)
    assert all(line.startswith("warning: ") and (said or "") in line for line in lines)
