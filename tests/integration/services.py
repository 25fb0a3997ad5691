"""What becomes of a test whose service cannot be had."""

import os

import pytest

IN_CI = os.environ.get("CI") == "true"


def need(service: str, missing: str | None) -> None:
    """Skips the test when `missing` says why there is no such service. Fails it in CI, whose machines must have all."""
    if missing is None:
        return
    if IN_CI:
        pytest.fail(f"CI must have {service}: {missing}", pytrace=False)
    pytest.skip(f"{service}: {missing}")
