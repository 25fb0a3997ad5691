"""The smallest scope that holds a breach."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.narrow import narrow
from tests.detect.planted import FLEET

ALTURA = np.array([cohort.operator == "altura" for cohort in FLEET])
EVERYBODY = np.ones(len(FLEET), dtype=np.bool_)
BASE = (("operator", "altura"),)


def counted(attempts: float = 1_000.0, **of: str) -> tuple[np.ndarray, np.ndarray]:
    """A fifth is bad within a scope, one in a hundred elsewhere."""
    hit = np.array([all(getattr(cohort, name) == value for name, value in of.items()) for cohort in FLEET])
    units = np.full(len(FLEET), attempts)
    return units, units * np.where(hit, 0.2, 0.01)


def test_one_firmware_of_an_operator_is_named() -> None:
    assert narrow(BASE, FLEET, ALTURA, *counted(firmware="tv-1.1"), 0.05) == (*BASE, ("firmware", "tv-1.1"))


def test_the_shallower_name_of_the_same_cohorts_is_taken() -> None:
    assert narrow((), FLEET, EVERYBODY, *counted(firmware="tv-1.1"), 0.05) == (("firmware", "tv-1.1"),)


def test_what_is_bad_everywhere_is_not_narrowed() -> None:
    assert narrow(BASE, FLEET, ALTURA, *counted(), 0.05) == BASE


def test_a_rest_that_is_too_small_to_tell_is_not_called_unaffected() -> None:
    of, bad = counted(firmware="tv-1.1")
    of, bad = np.where(bad / of > 0.1, of, 10.0), np.where(bad / of > 0.1, bad, 0.1)
    assert narrow(BASE, FLEET, ALTURA, of, bad, 0.05) == BASE


counts = st.lists(st.tuples(st.floats(0.0, 1e4), st.floats(0.0, 1.0)), min_size=len(FLEET), max_size=len(FLEET))


@given(counts, st.floats(0.001, 0.5))
def test_what_is_named_holds_the_excess_and_lies_within_the_group(
    held: list[tuple[float, float]], allowed: float
) -> None:
    of = np.array([attempts for attempts, _ in held])
    bad = of * np.array([share for _, share in held])
    scope = narrow(BASE, FLEET, ALTURA, of, bad, allowed)
    inside = np.array([all(getattr(cohort, name) == value for name, value in scope) for cohort in FLEET])
    assert dict(scope)["operator"] == "altura"
    excess = np.maximum(bad - allowed * of, 0.0)
    if scope != BASE:
        assert excess[inside].sum() >= 0.9 * excess[ALTURA].sum() - 1e-6
        rest = ALTURA & ~inside
        assert bad[rest].sum() < allowed * of[rest].sum() + 1e-6
