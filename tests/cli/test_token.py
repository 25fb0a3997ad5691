"""`seamwatch token`: what it prints lets somebody in, and what it keeps does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.web.access import Access, parse_tokens


def test_the_token_is_let_in_by_the_file_that_does_not_hold_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens"
    file.write_text("# on call", encoding="utf-8")
    tokens = []
    for name, may in (("alice", "act"), ("grafana", "read")):
        assert main(["token", name, "--may", may, "--to", str(file)]) == 0
        tokens.append(capsys.readouterr().out.strip())
    access = Access(tokens=parse_tokens(file.read_text(encoding="utf-8")))
    found = [access.who("203.0.113.9", {"Authorization": f"Bearer {token}"}, {}) for token in tokens]
    assert [(one.name, one.may_act) for one in found if one is not None] == [("alice", True), ("grafana", False)]
    assert not any(token in file.read_text(encoding="utf-8") for token in tokens)


def test_a_second_token_of_one_name_is_refused_and_the_file_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens"
    assert main(["token", "alice", "--to", str(file)]) == 0
    before = file.read_bytes()
    assert main(["token", "alice", "--to", str(file)]) == 2
    assert "line 2" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["two words", "", "x" * 65, "a\x1bb"])
def test_a_name_that_could_not_be_read_back_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", name]) == 2
    assert capsys.readouterr().out == ""
