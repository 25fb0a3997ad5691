"""What a worker needs to know: one frozen object, from the command line, the environment and `worker.yaml`.

What stands later wins: defaults, then `worker.yaml` in the configuration directory, then SEAMWATCH_… variables, then
the command line.

    version: 1
    brokers: [kafka-1:9092, kafka-2:9092]
    inputs:
      acme.telemetry: canonical        # topic: format
    prefix: seamwatch.
    group: seamwatch
    idle_after_s: 10
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from pipeline.config.operators import operators
from pipeline.intent.load import ConfigurationError, Fault
from pipeline.operators import ADAPTERS, PLAIN, Profile

FILE_NAME: Final = "worker.yaml"
STAGES: Final = ("ingest", "baseline", "pattern", "route")
VARIABLE: Final = "SEAMWATCH_"

Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens or is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """A worker's settings; `load` makes them.

    Attributes:
        brokers: where the cluster is asked for at first, at least one.
        inputs: input topics and their format; those of the operators' files among them.
        prefix: begins the name of every topic and group that is Seamwatch's own.
        group: consumer group; workers of one group share the work.
        stages: what this worker does.
        web: where the page, the API, health and metrics are served; None for nowhere.
        alertmanager: base URL of an Alertmanager, if incidents are to be posted to one.
        directory: the configuration directory, which also holds the intent file.
        idle_after_s: an input partition that is read to its end and silent for so long holds nobody up.
        checkpoint_s: how often the state of baseline and pattern is written; also how much is done again after a crash.
        lookback: records of an input partition that are read back at most, to know its duplicates and order again.
        session_s: a worker that is not heard of for so long has its partitions given to others.
        stall_s: waiting records and no progress for so long ends the worker.
        operators: what is known of the operators of input topics, by topic.
    """

    brokers: tuple[Address, ...]
    inputs: Mapping[str, str]
    prefix: str = "seamwatch."
    group: str = "seamwatch"
    stages: tuple[str, ...] = STAGES
    web: Address | None = field(default_factory=lambda: Address("127.0.0.1", 6066))
    alertmanager: str | None = None
    directory: Path | None = None
    idle_after_s: float = 10.0
    checkpoint_s: float = 30.0
    lookback: int = 1_000_000
    session_s: float = 15.0
    stall_s: float = 120.0
    operators: Mapping[str, Profile] = field(default_factory=dict)

    def operator(self, topic: str) -> Profile:
        """What is known of whose topic it is."""
        return self.operators.get(topic, PLAIN)

    @property
    def bootstrap(self) -> str:
        """As Kafka's clients take it."""
        return ",".join(str(address) for address in self.brokers)


def parse_address(value: object) -> Address:
    text = str(value)
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) < 65_536:
        msg = f"{text!r} is no HOST:PORT"
        raise ValueError(msg)
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _brokers(value: object) -> tuple[Address, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    brokers = tuple(parse_address(str(part).strip()) for part in parts)
    if not brokers:
        msg = "no broker is named"
        raise ValueError(msg)
    return brokers


def _inputs(value: object) -> Mapping[str, str]:
    """A mapping, or TOPIC[=FORMAT] once or many times."""
    if isinstance(value, Mapping):
        pairs = [(str(topic), "canonical" if kind is None else str(kind)) for topic, kind in value.items()]
    else:
        parts = value if isinstance(value, list | tuple) else str(value).split(",")
        split = [str(part).strip().partition("=") for part in parts]
        pairs = [(topic, kind or "canonical") for topic, _, kind in split]
    for topic, kind in pairs:
        if not _is_topic(topic):
            msg = f"{topic!r} is no topic name (letters, digits, '.', '_' and '-', at most 249)"
            raise ValueError(msg)
        if kind not in ADAPTERS:
            close = get_close_matches(kind, ADAPTERS, n=1)
            hint = f"did you mean {close[0]!r}" if close else f"known are {', '.join(ADAPTERS)}"
            msg = f"unknown format {kind!r} of {topic}: {hint}"
            raise ValueError(msg)
    return dict(pairs)


def _is_topic(text: str) -> bool:
    return (
        0 < len(text) <= 249
        and text not in (".", "..")
        and all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    )


def _prefix(value: object) -> str:
    text = str(value)
    if not _is_topic(f"{text}x"):
        msg = f"{text!r} cannot begin a topic name (letters, digits, '.', '_' and '-')"
        raise ValueError(msg)
    return text


def _name(value: object) -> str:
    text = str(value)
    if not text or text != text.strip():
        msg = f"{text!r} is no name"
        raise ValueError(msg)
    return text


def _stages(value: object) -> tuple[str, ...]:
    parts = [str(part).strip() for part in (value if isinstance(value, list | tuple) else str(value).split(","))]
    for part in parts:
        if part not in STAGES:
            msg = f"unknown stage {part!r}: known are {', '.join(STAGES)}"
            raise ValueError(msg)
    return tuple(stage for stage in STAGES if stage in parts)


def _web(value: object) -> Address | None:
    return None if value is None or str(value) in ("", "off") else parse_address(value)


def _url(value: object) -> str:
    text = str(value)
    if not text.startswith(("http://", "https://")):
        msg = f"{text!r} is no URL; such as http://127.0.0.1:9093"
        raise ValueError(msg)
    return text.rstrip("/")


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if isinstance(value, bool) or not 0.1 <= seconds <= 86_400:
        msg = f"{value!r} is no number of seconds from 0.1 to 86400"
        raise ValueError(msg)
    return seconds


def _records(value: object) -> int:
    text = str(value).replace("_", "")
    if isinstance(value, bool) or not text.isdigit() or int(text) > 1_000_000_000:
        msg = f"{value!r} is no number of records"
        raise ValueError(msg)
    return int(text)


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "brokers": _brokers,
    "inputs": _inputs,
    "prefix": _prefix,
    "group": _name,
    "stages": _stages,
    "web": _web,
    "alertmanager": _url,
    "idle_after_s": _seconds,
    "checkpoint_s": _seconds,
    "lookback": _records,
    "session_s": _seconds,
    "stall_s": _seconds,
}


def load(arguments: Values, environment: Mapping[str, str], directory: Path | None, *, reads: bool = True) -> Settings:
    """Settings from all sources; `arguments` by field name, those that were not given left out.

    `reads`: whether an input is needed.

    Raises ConfigurationError with every fault that was found, each with its place.
    """
    faults: list[Fault] = []
    found: dict[str, Any] = {}
    if directory is not None:
        found |= _from_file(directory, faults)
    for name in _READERS:
        variable = VARIABLE + name.upper()
        if variable in environment:
            _read(name, environment[variable], found, faults, (f"${variable}", 1))
    for name, value in arguments.items():
        _read(name, value, found, faults, (f"--{_option(name)}", 1))
    if directory is not None:
        _add_operators(directory, found, faults)
    if not faults:
        if "brokers" not in found:
            faults.append(
                Fault("--brokers", 1, "no broker is named", "give --brokers HOST:PORT, or brokers: in worker.yaml")
            )
        if reads and not found.get("inputs"):
            faults.append(
                Fault("--input", 1, "no input topic is named", "give --input TOPIC, or inputs: in worker.yaml")
            )
    if faults:
        raise ConfigurationError(faults)
    return Settings(directory=directory, **{"inputs": {}, **found})


def faults_of(directory: Path) -> list[Fault]:
    """What is wrong with a directory's `worker.yaml`."""
    faults: list[Fault] = []
    try:
        _from_file(directory, faults)
    except ConfigurationError as error:
        faults += error.faults
    return faults


def _add_operators(directory: Path, found: dict[str, Any], faults: list[Fault]) -> None:
    """Topics of the operators' files are inputs; a format that was given otherwise is a fault."""
    profiles = {topic: profile for profile in operators(directory, faults) for topic in profile.topics}
    inputs = dict(found.get("inputs") or {})
    for topic, profile in profiles.items():
        given = inputs.setdefault(topic, profile.format)
        if given != profile.format:
            wrong = f"{topic} is given as {given}, and {profile.name} is configured to send {profile.format}"
            faults.append(Fault("--input", 1, wrong, "leave out the format, or mend the operator's file"))
    if profiles:
        found |= {"inputs": inputs, "operators": profiles}


def _option(name: str) -> str:
    return {"inputs": "input", "directory": "config"}.get(name, name.removesuffix("_s").replace("_", "-"))


def _read(name: str, value: object, into: dict[str, Any], faults: list[Fault], place: tuple[str, int]) -> None:
    try:
        into[name] = _READERS[name](value)
    except ValueError as error:
        faults.append(Fault(*place, str(error), f"see {name} in `seamwatch worker --help`"))


def _from_file(directory: Path, faults: list[Fault]) -> dict[str, Any]:
    if not directory.is_dir():
        raise ConfigurationError([Fault(str(directory), 1, "no such directory", "give a directory of configuration")])
    path = directory / FILE_NAME
    if not path.exists():
        return {}
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError([Fault(str(path), line, f"not YAML: {error.problem}", "mend the syntax")]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([Fault(str(path), 1, "not UTF-8", "save it as UTF-8")]) from error
    except OSError as error:
        raise ConfigurationError(
            [Fault(str(path), 1, f"cannot be read: {error.strerror}", "make it readable")]
        ) from error
    found: dict[str, Any] = {}
    if not isinstance(document, CommentedMap):
        faults.append(Fault(str(path), 1, "not a mapping", "begin with version: 1"))
        return found
    if document.get("version") != 1:
        line = document.lc.key("version")[0] + 1 if "version" in document else 1
        faults.append(Fault(str(path), line, f"version is {document.get('version')!r}", "write 'version: 1'"))
    for name, value in document.items():
        line = document.lc.key(name)[0] + 1
        if name == "version":
            continue
        if name not in _READERS:
            close = get_close_matches(str(name), _READERS, n=1)
            right = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_READERS)}"
            faults.append(Fault(str(path), line, f"unknown key {str(name)!r}", right))
            continue
        _read(name, value, found, faults, (str(path), line))
    return found
