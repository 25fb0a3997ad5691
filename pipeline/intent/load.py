"""Read the intent file; every fault at once, each with file and line and what would be right.

version: 1
false_pages_per_week: 0.5
services:
  playback:
    operations: [playback_start]
    priority: non_negotiable      # or degradable, best_effort
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from pipeline.intent.default import default
from pipeline.intent.model import Intent, Priority, Service

FILE_NAME: Final = "intent.yaml"
LARGEST_BUDGET: Final = 1_000.0
_KEYS: Final = ("version", "false_pages_per_week", "services")
_SERVICE_KEYS: Final = ("operations", "priority")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a configuration file; `line` counts from 1."""

    file: str
    line: int
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.wrong}; {self.right}"


class ConfigurationError(Exception):
    """A configuration that cannot be used; `faults` has every one of them."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


def load(directory: Path) -> Intent:
    """The intent in `directory`; the default where there is no intent file in it.

    Raises:
        ConfigurationError: the directory or the file cannot be used.
    """
    if not directory.is_dir():
        raise ConfigurationError([Fault(str(directory), 1, "no such directory", "give a directory of configuration")])
    path = directory / FILE_NAME
    if not path.exists():
        return default()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError([Fault(str(path), 1, "not UTF-8", "save it as UTF-8")]) from error
    except OSError as error:
        raise ConfigurationError(
            [Fault(str(path), 1, f"cannot be read: {error.strerror}", "make it readable")]
        ) from error
    try:
        document = YAML(typ="rt").load(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        wrong = f"not YAML: a control character, U+{ord(text[error.position]):04X}"
        raise ConfigurationError([Fault(str(path), line, wrong, "remove it")]) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError([Fault(str(path), line, f"not YAML: {error.problem}", "mend the syntax")]) from error
    reader = _Reader(str(path))
    intent = reader.intent(document)
    if reader.faults or intent is None:
        raise ConfigurationError(sorted(reader.faults, key=lambda fault: fault.line))
    return intent


def _line(node: CommentedMap, key: Any, otherwise: int) -> int:
    """Line of a key, from 0; one that is absent, or that a merge (`<<`) brought in, has none of its own."""
    place = (node.lc.data or {}).get(key)
    return int(place[0]) if place else otherwise


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def _fault(self, line: int, wrong: str, right: str) -> None:
        self.faults.append(Fault(self.file, line + 1, wrong, right))

    def _unknown_keys(self, node: CommentedMap, known: tuple[str, ...]) -> None:
        for key in node:
            if key not in known:
                close = get_close_matches(str(key), known, n=1)
                right = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
                self._fault(_line(node, key, node.lc.line), f"unknown key {str(key)!r}", right)

    def intent(self, document: Any) -> Intent | None:
        if not isinstance(document, CommentedMap):
            self._fault(0, "not a mapping", f"begin with the keys {', '.join(_KEYS)}")
            return None
        self._unknown_keys(document, _KEYS)
        version = document.get("version")
        if isinstance(version, bool) or version != 1:
            self._fault(_line(document, "version", 0), f"version is {version!r}", "write 'version: 1'")
        budget = document.get("false_pages_per_week", 0.5)
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= LARGEST_BUDGET:
            line = _line(document, "false_pages_per_week", 0)
            self._fault(line, f"false_pages_per_week is {budget!r}", "give a number above 0, such as 0.5")
            budget = 0.5
        services = document.get("services")
        if not isinstance(services, CommentedMap) or not services:
            self._fault(
                _line(document, "services", 0),
                "services is missing or empty",
                "name at least one service with its operations",
            )
            return None
        found = [self._service(services, name) for name in services]
        return Intent(tuple(service for service in found if service is not None), float(budget))

    def _service(self, services: CommentedMap, name: Any) -> Service | None:
        line = _line(services, name, services.lc.line)
        node = services[name]
        if not isinstance(name, str):
            self._fault(line, f"the name of a service is {name!r}", f"make it text: '{name}', in quotes")
            return None
        if not isinstance(node, CommentedMap):
            self._fault(line, f"service {name!r} is not a mapping", "give it operations and a priority")
            return None
        self._unknown_keys(node, _SERVICE_KEYS)
        operations = node.get("operations")
        if (
            not isinstance(operations, CommentedSeq)
            or not operations
            or not all(isinstance(operation, str) and 0 < len(operation) <= 128 for operation in operations)
        ):
            at = _line(node, "operations", line)
            self._fault(at, f"operations of {name!r} are no list of names", "write operations: [playback_start]")
            operations = CommentedSeq()
        known = tuple(Priority)
        priority = node.get("priority")
        if priority not in known:
            at = _line(node, "priority", line)
            self._fault(at, f"priority of {name!r} is {priority!r}", f"choose one of {', '.join(known)}")
            return None
        return Service(name, tuple(operations), Priority(priority))
