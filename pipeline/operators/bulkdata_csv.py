"""The two CSV forms of bulk data."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from pipeline.operators.jsontext import UnusableRecordError

NAMES: Final = ("ReportTimestamp", "ParameterName", "ParameterValue", "ParameterType")
"""Columns of ParameterPerRow; the time may be left out, by configuration of the device."""
SEPARATORS: Final = (",", ";", "\t", "|")
MOST_ROWS: Final = 50_000
MOST_COLUMNS: Final = 20_000
MOST_CELLS: Final = 400_000


def csv_reports(value: bytes) -> tuple[list[dict[str, Any]], UnusableRecordError | None]:
    """The reports in it, and what of it could not be used, if something could not.

    Raises:
        UnusableRecordError: it is no CSV of bulk data, or nothing of it can be used.
    """
    try:
        text = value.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableRecordError(reason="utf8.invalid", detail=f"byte {error.start + 1} is not UTF-8") from error
    head = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=head.count)
    rows: list[list[str]] = []
    cells = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            if not row:
                continue
            rows.append(row)
            cells += len(row)
            if len(rows) > MOST_ROWS or cells > MOST_CELLS or len(row) > MOST_COLUMNS:
                raise UnusableRecordError(reason="record.too_many", detail=f"more than {MOST_CELLS} cells")
    except csv.Error as error:
        raise UnusableRecordError(reason="bulkdata.csv", detail=f"not CSV: {error}") from error
    names = [name.strip() for name in rows[0]] if rows else []
    if NAMES[1] in names and NAMES[2] in names:
        reports, ragged = _per_row(names, rows)
    elif any("." in name for name in names) and len(set(names)) == len(names):
        reports, ragged = _per_column(names, rows)
    else:
        raise UnusableRecordError(reason="bulkdata.csv", detail=f"its first line names no parameters: {head[:80]!r}")
    problem = None
    if ragged:
        numbers = ", ".join(str(number) for number in ragged[:5]) + (", …" if len(ragged) > 5 else "")
        problem = UnusableRecordError(
            reason="bulkdata.ragged", detail=f"rows {numbers} do not have the {len(names)} cells of the first"
        )
    if not reports:
        raise problem or UnusableRecordError(reason="bulkdata.no_report", detail="no row but the names")
    return reports, problem


def _per_row(names: list[str], rows: list[list[str]]) -> tuple[list[dict[str, Any]], list[int]]:
    at = names.index(NAMES[0]) if NAMES[0] in names else None
    name, value = names.index(NAMES[1]), names.index(NAMES[2])
    reports: dict[str, dict[str, Any]] = {}
    ragged = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            ragged.append(number)
            continue
        time = row[at].strip() if at is not None else ""
        report = reports.get(time)
        if report is None:
            report = reports[time] = {} if at is None else {NAMES[0]: time}
        report[row[name].strip()] = row[value]
    return list(reports.values()), ragged


def _per_column(names: list[str], rows: list[list[str]]) -> tuple[list[dict[str, Any]], list[int]]:
    reports, ragged = [], []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            ragged.append(number)
        else:
            reports.append(dict(zip(names, row, strict=True)))
    return reports, ragged
