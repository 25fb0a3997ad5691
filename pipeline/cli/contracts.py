"""`seamwatch contracts`: which operator keeps which clause, as a table, JSON, or a page to send to the operator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from pipeline.cli.adapt import shown
from pipeline.compliance import Compliance, Row
from pipeline.config.directory import Configuration, configuration
from pipeline.incidents.wording import instant
from pipeline.ingest import Ingest
from pipeline.intent import ConfigurationError
from pipeline.messages import Windows
from pipeline.operators import ADAPTERS
from pipeline.operators.profile import Quirk
from pipeline.recordfile import RecordFiles, printable

UNREADABLE: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="the configuration directory, whose operators/ is read")
    parser.add_argument("--operator", metavar="NAME", help="whose records they are, by its configuration")
    parser.add_argument("--format", choices=list(ADAPTERS), help="their wire format (default: the operator's)")
    parser.add_argument("--json", action="store_true", help="the matrix as one JSON object")
    parser.add_argument("--html", metavar="OUT.html", help="a page in one file, to send to the operator")
    parser.add_argument("files", metavar="FILE", nargs="+", help="records in order of arrival; - is standard input")
    parser.epilog = (
        "Share: of an operator's records that violate a clause. Trend: the second half of the time against the first. "
        "Exit status: 0 it ran; 2 unusable arguments or configuration; 3 an input could not be read."
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        directory = arguments.config
        found = configuration(Path(directory)) if directory is not None else Configuration()
        quirks = {
            (profile.name, quirk.clause): quirk for profile in found.operators.values() for quirk in profile.quirks
        }
        # What a quirk tolerates is violated all the same: here it is counted, and said beside it.
        bare = {name: replace(profile, quirks=()) for name, profile in found.operators.items()}
        adapter = replace(found, operators=bare).adapter(arguments.operator, arguments.format)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch contracts: {fault}", file=sys.stderr)
        return 2
    except LookupError as error:
        print(f"seamwatch contracts: {error.args[0]}", file=sys.stderr)
        return 2
    files = RecordFiles(arguments.files)
    ingest = Ingest("contracts", adapter=adapter)
    matrix = Compliance()
    for batch in files:
        for message in ingest.feed(batch):
            if isinstance(message, Windows):
                matrix.add(message)
    for message in ingest.flush():
        if isinstance(message, Windows):
            matrix.add(message)
    rows = list(matrix.rows())
    if arguments.html is not None:
        # Only who wants the page loads its templates.
        from pipeline.compliance_page import render

        names = [printable(name) for name in files.names]
        try:
            Path(arguments.html).write_text(render(rows, matrix.operators(), quirks, names), encoding="utf-8")
        except OSError as error:
            print(f"seamwatch contracts: {arguments.html} cannot be written: {error.strerror}", file=sys.stderr)
            return 2
    print(as_json(rows, matrix, quirks) if arguments.json else as_table(rows, matrix, quirks))
    for unread in files.faults:
        print(f"seamwatch contracts: {unread}", file=sys.stderr)
    return UNREADABLE if files.faults else 0


Quirks = dict[tuple[str, str], Quirk]


def as_json(rows: Sequence[Row], matrix: Compliance, quirks: Quirks) -> str:
    document = {
        "operators": matrix.operators(),
        "clauses": [
            {
                **msgspec.to_builtins(row),
                "worst": row.worst._asdict() if row.worst is not None else None,
                "tolerated_until": quirk.expires_at if (quirk := quirks.get((row.operator, row.clause))) else None,
            }
            for row in rows
        ],
    }
    return msgspec.json.encode(document).decode()


def as_table(rows: Sequence[Row], matrix: Compliance, quirks: Quirks) -> str:
    lines = []
    for operator, records in matrix.operators().items():
        lines.append(shown(f"{operator}: {records} records"))
        own = [row for row in rows if row.operator == operator]
        if not own:
            lines.append("  every clause was kept")
        width = max((len(row.clause) for row in own), default=0)
        for row in own:
            quirk = quirks.get((operator, row.clause))
            lines.append(
                f"  {row.clause:<{width}}  {100 * row.share:7.3f} %  {row.trend:<8}  since {instant(row.first_at)}"
                f"  {row.gravity:<8}  {row.sentence}"
                + (f"  (tolerated until {instant(quirk.expires_at)[:10]}: {shown(quirk.owner)})" if quirk else "")
            )
            if row.worst is not None and row.worst_share is not None and row.worst_share > 1.5 * row.share:
                lines.append(shown(f"  {'':<{width}}  {100 * row.worst_share:7.3f} %  worst in {row.worst}"))
    return "\n".join(lines) if lines else "no record could be used"
