"""The compliance matrix as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.compliance import Row
from pipeline.incidents.wording import instant
from pipeline.operators.profile import Quirk
from pipeline.templating import environment


def render(
    rows: Sequence[Row],
    operators: Mapping[str, int],
    quirks: Mapping[tuple[str, str], Quirk],
    names: Iterable[str],
) -> str:
    """The page; the same matrix gives the same page."""
    templates = environment()
    templates.filters["instant"] = instant
    clauses = list({row.clause: row for row in rows})
    cells = {(row.operator, row.clause): row for row in rows}
    sentences = {row.clause: (row.sentence, row.gravity) for row in rows}
    return templates.get_template("contracts.html").render(
        names=list(names),
        rows=rows,
        operators=operators,
        clauses=clauses,
        cells=cells,
        sentences=sentences,
        quirks=quirks,
    )
