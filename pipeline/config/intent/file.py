"""Read the intent file; every fault at once, each with file and line and what would be right.

version: 1
false_pages_per_week: 0.5
services:
  playback: {operations: [playback_start], priority: non_negotiable}     # and more, see `service`
receivers: {…}                                                           # and routes, see `routing`
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.config.intent import lint, routing
from pipeline.config.intent.service import service
from pipeline.config.yamlfile import Reader, Section
from pipeline.intent import ConfigurationError, Fault, Intent, default
from pipeline.observation import MAX_NAME

FILE_NAME: Final = "intent.yaml"
KEYS: Final = (
    "version",
    "false_pages_per_week",
    "services",
    "receivers",
    "routes",
    "owners",
    "dead_man",
    "alive",
    "quiet_hours",
)
USUAL_BUDGET: Final = 0.5
LARGEST_BUDGET: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class IntentFile:
    """What was read; `root` is None where there is no file, and the default serves."""

    intent: Intent = field(default_factory=default)
    root: Section | None = None

    def warnings(self, operations: Collection[str]) -> Iterator[Fault]:
        """What can be used and is probably not meant. `operations`: those that anybody is known to send."""
        if self.root is None:
            return
        yield from lint.budget(self.root, self.intent)
        yield from lint.shared_operations(self.root, self.intent)
        yield from lint.unknown_operations(self.root, self.intent, operations)
        yield from lint.Routing(self.root, self.intent, ()).warnings()


def load(directory: Path) -> Intent:
    """The intent in `directory`; the default where there is no intent file in it.

    Raises:
        ConfigurationError: the directory or the file cannot be used.
    """
    faults: list[Fault] = []
    found = read(directory, faults)
    if faults:
        raise ConfigurationError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return found.intent


def read(directory: Path, faults: list[Fault]) -> IntentFile:
    """The intent file of a directory; faults are added to the list."""
    if not directory.is_dir():
        faults.append(Fault(str(directory), 1, "no such directory", "give a directory of configuration"))
        return IntentFile()
    path = directory / FILE_NAME
    if not path.exists():
        return IntentFile()
    root = Reader(faults).root(path)
    return IntentFile() if root is None else IntentFile(_intent(root), root)


def _intent(root: Section) -> Intent:
    """What a file says; where something is wrong with it, what else it says."""
    root.only(KEYS)
    services = root.section("services") if root.node.get("services") is not None else None
    if services is None or not services.node:
        root.fault("services", "services is missing or empty", "name at least one service with its operations")
        return default()
    found = tuple(made for name in services if (made := service(services, name)) is not None)
    receivers = routing.receivers(root)
    intent = Intent(
        services=found,
        false_pages_per_week=_budget(root),
        receivers=receivers,
        routes=routing.routes(root),
        quiet_hours=routing.quiet_hours(root),
        dead_man=root.text("dead_man", longest=MAX_NAME),
        owners=root.texts("owners"),
        alive=root.text("alive", longest=MAX_NAME),
    )
    lint.dependencies(services, found)
    lint.contradictions(services, intent.thresholds)
    named = root.section("receivers")
    known = {one.name for one in receivers}
    wrong = [name for name in named if name not in known] if named is not None else []
    lint.Routing(root, intent, wrong).unknown()
    return intent


def _budget(root: Section) -> float:
    budget = root.node.get("false_pages_per_week", USUAL_BUDGET)
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= LARGEST_BUDGET:
        right = f"give a number above 0, such as {USUAL_BUDGET}"
        root.fault("false_pages_per_week", f"false_pages_per_week is {budget!r}", right)
        return USUAL_BUDGET
    return float(budget)
