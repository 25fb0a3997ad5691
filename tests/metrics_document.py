"""Writes docs/metrics.md from the table of metrics: python -m tests.metrics_document > docs/metrics.md."""

import sys
from collections import defaultdict
from collections.abc import Iterator

from pipeline.metrics import Label, Metrics


def document() -> str:
    return "\n".join([*_lines(), ""])


def _lines() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield "Every worker serves these at `/metrics`, beside the `process_…` metrics of the client library."
    yield "This page is made from `pipeline/metrics.py`: `python -m tests.metrics_document > docs/metrics.md`."
    yield ""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for entry in Metrics.declared():
        names = ", ".join(f"`{label.name}`" for label in entry.labels)
        yield f"| `{entry.name}` | {entry.kind.__name__.lower()} | {names} | {entry.help} |"
    yield ""
    yield "Values of labels come from bounded sets, never from devices, sessions or raw errors:"
    yield ""
    yield "| label | values |"
    yield "|---|---|"
    for label, metrics in _labels().items():
        # The same label may have other values elsewhere; then it says where.
        alone = [other.name for other in _labels()].count(label.name) == 1
        where = "" if alone else " of " + ", ".join(f"`{name}`" for name in metrics)
        yield f"| `{label.name}`{where} | {label.bound} |"


def _labels() -> dict[Label, list[str]]:
    used: dict[Label, list[str]] = defaultdict(list)
    for entry in Metrics.declared():
        for label in entry.labels:
            used[label].append(entry.name)
    return used


if __name__ == "__main__":
    sys.stdout.write(document())
