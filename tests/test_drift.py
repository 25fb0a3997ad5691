"""Configuration drift: between certification and production, and between cohorts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.drift import drift, settings
from pipeline.messages import Change

CERTIFICATION = {"environment": "certification"}
PRODUCTION = {"environment": "production"}


def told(number: int, scope: dict[str, str], **configuration: str) -> Change:
    return Change(f"c{number}", number, "configuration", "settings", scope, configuration=configuration)


def test_what_is_certified_and_not_in_use_is_drift() -> None:
    (found,) = drift([told(1, CERTIFICATION, retries="3"), told(2, PRODUCTION, retries="5")])
    ((tried, used),) = found.certified
    assert (found.setting, tried.value, used.value, used.change_id) == ("retries", "3", "5", "c2")
    assert found.cohorts == ()


def test_the_same_value_in_both_is_none() -> None:
    assert drift([told(1, CERTIFICATION, retries="3"), told(2, PRODUCTION, retries="3")]) == []


def test_a_value_without_an_environment_is_that_of_production_too() -> None:
    (found,) = drift([told(1, {}, retries="3"), told(2, CERTIFICATION, retries="5")])
    assert [(tried.value, used.value) for tried, used in found.certified] == [("5", "3")]


def test_environments_of_different_operators_are_not_compared() -> None:
    changes = [told(1, {**CERTIFICATION, "operator": "a"}, r="3"), told(2, {**PRODUCTION, "operator": "b"}, r="5")]
    assert drift(changes) == []
    changes.append(told(3, {**PRODUCTION, "operator": "a"}, r="4"))
    (found,) = drift(changes)
    assert [(tried.value, used.value) for tried, used in found.certified] == [("3", "4")]
    assert found.cohorts == ("production",)


def test_cohorts_of_one_environment_drift_apart() -> None:
    (found,) = drift([told(1, {"operator": "a"}, r="3"), told(2, {"operator": "b"}, r="5")])
    assert (found.certified, found.cohorts) == ((), ("*",))
    assert [(value.scope, value.value) for value in found.values] == [
        ({"operator": "a"}, "3"),
        ({"operator": "b"}, "5"),
    ]


def test_what_is_newer_and_wider_replaces_what_was_narrower_and_not_the_other_way_round() -> None:
    narrow, wide = {"operator": "a", **PRODUCTION}, PRODUCTION
    assert drift([told(1, narrow, r="3"), told(2, wide, r="5")]) == []
    (found,) = drift([told(1, wide, r="5"), told(2, narrow, r="3")])
    assert found.cohorts == ("production",)


def test_what_sets_nothing_is_no_configuration() -> None:
    assert settings([Change("d", 1, "deployment", "playback 4.2")]) == {}


scopes = st.dictionaries(st.sampled_from(["operator", "environment"]), st.sampled_from(["a", "certification"]))


@given(st.lists(st.tuples(scopes, st.sampled_from(["1", "2"])), max_size=8), st.randoms(use_true_random=False))
def test_the_order_in_which_changes_are_told_changes_nothing(
    said: list[tuple[dict[str, str], str]], random: object
) -> None:
    changes = [told(number, scope, r=value) for number, (scope, value) in enumerate(said)]
    shuffled = list(changes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    assert drift(shuffled) == drift(changes)
    scopes_held = [tuple(sorted(value.scope.items())) for values in settings(changes).values() for value in values]
    assert len(scopes_held) == len(set(scopes_held))
