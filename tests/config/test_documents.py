"""The examples of docs/formats.md are files that `seamwatch check` takes."""

import re
from pathlib import Path

from pipeline.config.directory import configuration

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/formats.md"


def test_the_examples_of_the_document_are_right(tmp_path: Path) -> None:
    operator, workarounds = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators/acme.yaml").write_text(operator)
    (tmp_path / "workarounds.yaml").write_text(workarounds)
    found = configuration(tmp_path)
    assert list(found.operators) == ["acme"]
    assert [one.id for one in found.workarounds] == ["acme-g2-slow-start"]
