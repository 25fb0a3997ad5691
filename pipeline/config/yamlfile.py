"""A YAML file that keeps its line numbers: each value is asked for by its kind, and what does not fit is a fault.

file = YamlFile.read(path, faults)
topics = file.root.names("topics")      # a list of text; a fault with its line where it is none
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from pipeline.intent import Fault

LARGEST: Final = 1 << 20
"""Bytes of a file of configuration."""


class Section:
    """A mapping of a file. Its methods give a value, or what was said to serve otherwise, and note what is wrong."""

    def __init__(self, file: str, node: CommentedMap, line: int, faults: list[Fault]) -> None:
        self.file = file
        self.node = node
        self.line = line
        self._faults = faults

    def fault(self, key: Any, wrong: str, right: str) -> None:
        self.fault_at(self.line_of(key), wrong, right)

    def fault_at(self, line: int, wrong: str, right: str) -> None:
        """As `fault`, at a line from 1. Said once, however often a value is asked for."""
        fault = Fault(self.file, line, wrong, right)
        if fault not in self._faults:
            self._faults.append(fault)

    def line_of(self, key: Any) -> int:
        """From 1; a key that is absent, or that a merge brought in, has the section's."""
        place = (self.node.lc.data or {}).get(key)
        return int(place[0]) + 1 if place else self.line

    def only(self, known: Collection[str]) -> None:
        """Every other key is a fault."""
        for key in self.node:
            if key not in known:
                close = get_close_matches(str(key), list(known), n=1)
                right = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
                self.fault(key, f"unknown key {str(key)!r}", right)

    def text(self, key: str, otherwise: str | None = None, *, longest: int = 256) -> str | None:
        value = self.node.get(key)
        if value is None:
            return otherwise
        if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
            self.fault(key, f"{key} is {_said(value)}", f"write a text of at most {longest} characters, in quotes")
            return otherwise
        return str(value)

    def needed(self, key: str, what: str) -> str | None:
        """A text that has to be there."""
        if self.node.get(key) is None:
            self.fault(key, f"{key} is missing", what)
            return None
        return self.text(key, longest=1_024)

    def choice(self, key: str, known: Collection[str], otherwise: str | None = None) -> str | None:
        value = self.node.get(key)
        if value is None:
            return otherwise
        if not isinstance(value, str) or value not in known:
            close = get_close_matches(str(value), list(known), n=1)
            right = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(known)}"
            self.fault(key, f"{key} is {_said(value)}", right)
            return otherwise
        return str(value)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of texts; one alone need not be a list."""
        value = self.node.get(key)
        if value is None:
            return ()
        listed = value if isinstance(value, CommentedSeq) else [value]
        if not listed or not all(_is_text(item) for item in listed):
            self.fault(key, f"{key} is {_said(value)}", "write a text, or a list of texts")
            return ()
        return tuple(str(item) for item in listed)

    def lines(self, key: str) -> dict[str, int]:
        """The texts of a list, each with its line; the last one's where it stands there twice."""
        value = self.node.get(key)
        listed = self.names(key)
        places = value.lc.data or {} if isinstance(value, CommentedSeq) else {}
        at = [int(places[i][0]) + 1 if i in places else self.line_of(key) for i in range(len(listed))]
        return dict(zip(listed, at, strict=True))

    def texts(self, key: str, known: Collection[str] | None = None) -> dict[str, str]:
        """A mapping of texts to texts; `known`: the values that there may be."""
        out: dict[str, str] = {}
        section = self.section(key)
        if section is None:
            return out
        for name in section:
            value = section.node[name]
            if not _is_text(value):
                section.fault(name, f"{name} is {_said(value)}", "write a text, in quotes")
            elif known is not None and value not in known:
                section.choice(name, known)
            else:
                out[name] = str(value)
        return out

    def flag(self, key: str, otherwise: bool = False) -> bool:
        value = self.node.get(key)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            self.fault(key, f"{key} is {_said(value)}", "write true or false")
            return otherwise
        return value

    def number(self, key: str, otherwise: float | None, least: float, most: float) -> float | None:
        value = self.node.get(key)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.fault(key, f"{key} is {_said(value)}", f"give a number from {least:g} to {most:g}")
            return otherwise
        return float(value)

    def day(self, key: str, *, needed: str | None = None) -> int | None:
        """A date, as ms since the epoch of its beginning in UTC. needed: what to write where it is missing."""
        value = self.node.get(key)
        if value is None:
            if needed is not None:
                self.fault(key, f"{key} is missing", needed)
            return None
        found = _day(value)
        if found is None:
            self.fault(key, f"{key} is {_said(value)}", "write a date, such as 2026-12-31")
        return found

    def section(self, key: Any) -> Section | None:
        """A mapping within; None where there is none."""
        value = self.node.get(key)
        if value is None:
            return None
        if not isinstance(value, CommentedMap):
            self.fault(key, f"{key} is {_said(value)}", "write a mapping of names to values")
            return None
        return Section(self.file, value, self.line_of(key), self._faults)

    def sections(self, key: str) -> Iterator[Section]:
        """A list of mappings."""
        value = self.node.get(key)
        if value is None:
            return
        if not isinstance(value, CommentedSeq):
            self.fault(key, f"{key} is {_said(value)}", "write a list, each entry beginning with '- '")
            return
        for number, item in enumerate(value):
            place = (value.lc.data or {}).get(number)
            line = int(place[0]) + 1 if place else self.line_of(key)
            if isinstance(item, CommentedMap):
                yield Section(self.file, item, line, self._faults)
            else:
                self.fault_at(line, f"{_said(item)} is no mapping", "give it names and values")

    def __iter__(self) -> Iterator[str]:
        """Keys that are text; others are faults."""
        for key in self.node:
            if _is_text(key):
                yield key
            else:
                self.fault(key, f"the name {_said(key)} is no text", f"put it in quotes: '{key}'")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files of one directory; `faults` collects what is wrong in all of them."""

    faults: list[Fault]

    def root(self, path: Path) -> Section | None:
        """The mapping that a file is; None where it cannot be read, which is a fault."""
        name = str(path)
        try:
            if path.stat().st_size > LARGEST:
                self._fault(name, 1, f"longer than {LARGEST} bytes", "split it")
                return None
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self._fault(name, 1, "not UTF-8", "save it as UTF-8")
            return None
        except OSError as error:
            self._fault(name, 1, f"cannot be read: {error.strerror}", "make it readable")
            return None
        return self.root_of(text, name)

    def root_of(self, text: str, name: str) -> Section | None:
        """The mapping that a text is; `name` is said in faults."""
        try:
            document = YAML(typ="rt").load(text)
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            wrong = f"not YAML: a control character, U+{ord(text[error.position]):04X}"
            self._fault(name, line, wrong, "remove it")
            return None
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self._fault(name, line, f"not YAML: {error.problem}", "mend the syntax")
            return None
        except (ValueError, RecursionError) as error:
            self._fault(name, 1, f"not YAML: {error}", "mend the syntax")
            return None
        if not isinstance(document, CommentedMap):
            self._fault(name, 1, "not a mapping", "begin with version: 1")
            return None
        root = Section(name, document, 1, self.faults)
        version = document.get("version")
        if isinstance(version, bool) or version != 1:
            root.fault("version", f"version is {_said(version)}", "write 'version: 1'")
        return root

    def _fault(self, file: str, line: int, wrong: str, right: str) -> None:
        self.faults.append(Fault(file, line, wrong, right))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 512 and value.isprintable()


def _said(value: Any) -> str:
    if isinstance(value, CommentedMap):
        return "a mapping"
    if isinstance(value, CommentedSeq):
        return "a list"
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _day(value: Any) -> int | None:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    else:
        return None
    return round(moment.timestamp() * 1_000)
