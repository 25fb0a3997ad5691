"""`seamwatch compile`: what an intent means to Alertmanager and Prometheus."""

from __future__ import annotations

import argparse
import io
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from pipeline.compile.alertmanager import alertmanager
from pipeline.compile.prometheus import prometheus
from pipeline.config.directory import configuration, fingerprint
from pipeline.config.intent import FILE_NAME
from pipeline.intent import ConfigurationError, Intent

KINDS: Final = {
    "alertmanager": "routes, inhibition, quiet hours: the whole of alertmanager.yml",
    "prometheus": "rules: heartbeat, reload, budget, proofs; beside those of deploy/prometheus/rules",
}
WIDTH: Final = 4_096
"""Of lines: templates and expressions are not to be folded."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind", metavar="KIND", choices=list(KINDS), help="; ".join(": ".join(one) for one in KINDS.items())
    )
    parser.add_argument("directory", metavar="DIR", help="configuration directory, with intent.yaml")
    parser.add_argument("--out", metavar="FILE", help="write to a file (default: standard output)")
    parser.epilog = (
        "Check what it wrote with `amtool check-config` or `promtool check rules`. Exit status: 0 written; 2 the "
        "configuration cannot be used, every fault said with file and line, or the file cannot be written."
    )


def run(arguments: argparse.Namespace) -> int:
    directory = Path(arguments.directory)
    try:
        intent = configuration(directory).intent
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch compile: {fault}", file=sys.stderr)
        return 2
    if arguments.kind == "alertmanager" and not intent.receivers:
        print("seamwatch compile: warning: no receivers, so nobody is told; docs/intent.md has them", file=sys.stderr)
    text = document(arguments.kind, intent, fingerprint(directory, intent_alone=True))
    if arguments.out is None:
        sys.stdout.write(text)
        return 0
    try:
        Path(arguments.out).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"seamwatch compile: {arguments.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def document(kind: str, intent: Intent, of: str) -> str:
    """The file as text. `of`: fingerprint of the intent file."""
    content = alertmanager(intent) if kind == "alertmanager" else prometheus(intent, of)
    yaml = YAML()
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    out.write(
        f"# Made by `seamwatch compile {kind}` of seamwatch {version('seamwatch')} from {FILE_NAME} ({of}).\n"
        "# Do not edit: change the intent and compile again.\n"
    )
    yaml.dump(_plain(content), out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """As the writer of YAML takes it: enumerations as text, several lines as a block."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        text = str(value)
        return LiteralScalarString(text) if "\n" in text else text
    return value
