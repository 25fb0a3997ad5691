"""The text form of faults: reads back what it writes, and says what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.simulate.durations import DAY_MS, format_duration, parse_duration
from pipeline.simulate.faults import FIELDS, PER_OPERATION, Fault, FaultError, check_fault, parse_fault
from pipeline.simulate.fleet import SMALL

_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=12)
_seconds = st.integers(0, 30 * 86_400).map(lambda s: s * 1_000)


@st.composite
def _faults(draw: st.DrawFn) -> Fault:
    kind = draw(
        st.sampled_from(["latency", "tail", "failure", "retry", "gap", "volume", "delay", "silence", "contract"])
    )
    start = draw(_seconds)
    rolled_out = kind == "latency" and draw(st.booleans())
    size = {
        "silence": st.just(0.0),
        "delay": st.integers(1, 86_400).map(lambda s: s * 1_000.0),
        "contract": st.floats(0.001, 1.0),
        "volume": st.floats(0.0, 1.0),
    }.get(kind, st.floats(0.01, 100.0))
    operation = draw(st.none() | _names) if kind in PER_OPERATION else None
    follows = st.none() | _names.filter(lambda name: name != operation)
    return Fault(
        cascades=draw(follows) if operation is not None else None,
        kind=kind,  # type: ignore[arg-type]  # sampled from the kinds
        size=draw(size),
        operator=draw(st.none() | _names),
        device_class=draw(st.none() | _names),
        firmware=draw(_names if rolled_out else st.none() | _names),
        environment=draw(st.none() | _names),
        operation=operation,
        start=start,
        until=draw(st.none() | st.integers(1, 1_000).map(lambda s: start + s * 1_000)),
        ramp=0 if kind in ("silence", "volume") else draw(_seconds),
        replaces=draw(_names) if rolled_out else None,
        rollout=draw(_seconds) if rolled_out else 0,
        field=draw(st.sampled_from(FIELDS)) if kind == "contract" else None,
        form=draw(st.sampled_from(["bad", "missing"])) if kind == "contract" else "bad",
    )


@given(_faults())
def test_every_fault_reads_back_from_its_text(fault: Fault) -> None:
    assert parse_fault(str(fault)) == fault


@given(st.integers(0, 40_000 * DAY_MS // 1_000 * 9 // 10).map(lambda s: s * 1_000))
def test_every_duration_reads_back_from_its_text(ms: int) -> None:
    if ms <= 36_500 * DAY_MS:
        assert parse_duration(format_duration(ms)) == ms


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latncy*1.2", "no kind is called 'latncy'; there are latency, tail"),
        ("", "no kind is called ''"),
        ("latency", "latency is followed by *FACTOR above 0, such as latency*0.5"),
        ("latency*fast", "*FACTOR above 0"),
        ("latency*nan", "*FACTOR above 0"),
        ("latency*-1", "*FACTOR above 0"),
        ("latency+2", "*FACTOR above 0"),
        ("volume*2", "*FACTOR from 0 to 1"),
        ("silence*2", "silence has no size"),
        ("delay*2", "delay is followed by +DURATION"),
        ("delay+2", "'2' is no duration; write 8d, 1d12h, 90m or 45s"),
        ("contract+2@field=retries", "+SHARE above 0 and at most 1"),
        ("contract+0.5", "names a field: field=NAME of latency_ms"),
        ("latency*2@field=retries", "only contract, names a field"),
        ("contract+0.5@field=size", "field is one of latency_ms"),
        ("contract+0.5@field=retries,form=odd", "form is one of bad, missing, not 'odd'"),
        ("latency*2@form=missing", "only contract has a form"),
        ("latency*2@colour=red", "no key is called 'colour'; there are operator, device_class"),
        ("latency*2@operator", "operator lacks a value; write operator=VALUE"),
        ("latency*2@", None),
        ("latency*2@operator=a,operator=b", "operator is given twice"),
        ("latency*2@from=2d,until=1d", "until=1d is not after from=2d"),
        ("latency*2@from=soon", "from: 'soon' is no duration"),
        ("gap*2@operation=heartbeat", "gap happens to all operations alike"),
        ("volume*0.5@ramp=1d", "volume is a step"),
        ("latency*2@cascades=heartbeat", "names the operation that waits for another one"),
        ("latency*2@operation=heartbeat,cascades=heartbeat", "names the operation that waits for another one"),
        ("latency*2@rollout=1d", "say what it replaces"),
        ("latency*2@replaces=fw-1", "names the new firmware"),
        ("delay+2d", "at most a day"),
    ],
)
def test_a_fault_that_does_not_parse_says_what_would_be_right(text: str, says: str | None) -> None:
    if says is None:
        assert parse_fault(text) == Fault("latency", 2.0)
        return
    with pytest.raises(FaultError) as caught:
        parse_fault(text)
    assert str(caught.value).startswith(f"fault {text!r}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latency*2@operator=nobody", "the fleet has no operator 'nobody'; it has altura, bluecove"),
        ("latency*2@firmware=fw-1", "the fleet has no firmware 'fw-1'; it has fw-2.2.3"),
        ("latency*2@operation=sing", "the fleet has no operation 'sing'; it has playback_start"),
        ("latency*2@operation=heartbeat,cascades=sing", "the fleet has no operation 'sing'; it has playback_start"),
        ("latency*2@firmware=fw-2.4.1,device_class=stb-g3", "no cohort of the fleet is within this scope"),
        ("latency*2@firmware=fw-2.4.1,replaces=fw-2.3.2", "is there already; a roll-out brings a new one"),
        ("latency*2@firmware=fw-9,replaces=fw-1", "the fleet has no firmware 'fw-1'"),
    ],
)
def test_a_fault_that_names_what_the_fleet_lacks_says_what_it_has(text: str, says: str) -> None:
    with pytest.raises(FaultError) as caught:
        check_fault(parse_fault(text), SMALL)
    assert says in str(caught.value)
