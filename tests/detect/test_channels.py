"""What is measured of every cohort."""

from __future__ import annotations

from pipeline.detect.channels import COMMON, EVERY, MAX_OPERATIONS, OPERATION_SIGNALS, OVERFLOW, Channel, ChannelTable


def test_the_signals_of_an_operation_stand_together_in_order() -> None:
    table = ChannelTable()
    first = table.admit("stall")
    assert table.channels[:first] == list(COMMON)
    assert table.channels[first:] == [Channel("stall", signal) for signal in OPERATION_SIGNALS]


def test_an_operation_keeps_its_columns() -> None:
    table = ChannelTable()
    first = table.admit("stall")
    table.admit("heartbeat")
    assert table.admit("stall") == first
    assert len(table) == len(COMMON) + 2 * len(OPERATION_SIGNALS)


def test_operations_without_end_share_the_columns_of_the_overflow() -> None:
    table = ChannelTable()
    columns = {table.admit(f"operation-{i}") for i in range(10 * MAX_OPERATIONS)}
    assert len(columns) == MAX_OPERATIONS + 1
    assert len(table) == len(COMMON) + (MAX_OPERATIONS + 1) * len(OPERATION_SIGNALS)
    assert table.admit("one more") == table.operations[OVERFLOW]
    assert table.admit("operation-0") == len(COMMON)


def test_the_tail_is_reported_as_latency() -> None:
    assert Channel("stall", "tail").reported_signal == "latency"
    assert Channel("stall", "failure").reported_signal == "failure"


def test_means_of_logs_are_shifts_and_shares_are_not() -> None:
    shifts = [channel.signal for channel in ChannelTable(("stall",)).channels if channel.is_shift]
    assert shifts == ["delay", "latency"]
    assert Channel(EVERY, "gap").is_shift is False
