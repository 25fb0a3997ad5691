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

TLS and SASL: see `security`. Alertmanager and the webhook: see `telling`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.reader import ReaderError

from pipeline.config.operators import operators
from pipeline.intent import ConfigurationError, Fault
from pipeline.operators import PLAIN, Profile
from pipeline.stream.security import SECRETS, Security, secure
from pipeline.stream.telling import TELLING, TELLING_SECRETS, Telling, telling
from pipeline.stream.values import READERS, SECRET_READERS, STAGES, Address, parse_address

__all__ = ["STAGES", "Address", "Settings", "lint", "load", "parse_address"]

FILE_NAME: Final = "worker.yaml"
VARIABLE: Final = "SEAMWATCH_"

_SECURITY: Final = ("tls", "sasl_")
_SECRETS: Final = (*SECRETS, *TELLING_SECRETS)

Values: TypeAlias = Mapping[str, Any]


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
        web_prefix: path under which all of it stands, such as `/seamwatch`; empty for none.
        web_tokens_file: who may read and act, by token; see `pipeline.web.access`.
        web_proxies: networks of the proxies that are believed when they name a user.
        web_user_header: the header in which they name it.
        web_actors: users of the proxies that may act; `*` for all of them.
        web_open: anybody may read, from beyond loopback too.
        web_hosts: further names under which the page is reached.
        directory: the configuration directory, which also holds the intent file.
        idle_after_s: an input partition that is read to its end and silent for so long holds nobody up.
        checkpoint_s: how often the state of baseline and pattern is written; also how much is done again after a crash.
        lookback: input records that are read back at a start at most, to know duplicates and order again.
        session_s: a worker that is not heard of for so long has its partitions given to others.
        stall_s: waiting records and no progress for so long ends the worker.
        security: of the connection to Kafka.
        operators: what is known of the operators of input topics, by topic.
        telling: whom incidents are told over HTTP.
    """

    brokers: tuple[Address, ...]
    inputs: Mapping[str, str]
    prefix: str = "seamwatch."
    group: str = "seamwatch"
    stages: tuple[str, ...] = STAGES
    web: Address | None = field(default_factory=lambda: Address("127.0.0.1", 6066))
    web_prefix: str = ""
    web_tokens_file: Path | None = None
    web_proxies: tuple[str, ...] = ()
    web_user_header: str = "X-Forwarded-User"
    web_actors: tuple[str, ...] = ()
    web_open: bool = False
    web_hosts: tuple[str, ...] = ()
    directory: Path | None = None
    idle_after_s: float = 10.0
    checkpoint_s: float = 30.0
    lookback: int = 500_000
    session_s: float = 15.0
    stall_s: float = 120.0
    security: Security = field(default_factory=Security)
    operators: Mapping[str, Profile] = field(default_factory=dict)
    telling: Telling = field(default_factory=Telling)

    def operator(self, topic: str) -> Profile:
        """What is known of whose topic it is."""
        return self.operators.get(topic, PLAIN)

    @property
    def bootstrap(self) -> str:
        """As Kafka's clients take it."""
        return ",".join(str(address) for address in self.brokers)


class _Place(NamedTuple):
    """Where a setting stands: a file, a variable or an option; lines count from 1."""

    file: str
    line: int


class _Reader:
    """Settings as they are found, and every fault."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self._places: dict[str, _Place] = {}
        self._unread: set[str] = set()

    def fault(self, place: _Place, wrong: str, right: str) -> None:
        self.faults.append(Fault(*place, wrong, right))

    def read(self, name: str, value: object, place: _Place, reader: Callable[[object], Any]) -> None:
        self._places[name] = place
        try:
            self.found[name] = reader(value)
        except ValueError as error:
            self.found.pop(name, None)
            self._unread.add(name)
            self.fault(place, str(error), f"see {name} in `seamwatch worker --help`")

    def environment(self, environment: Mapping[str, str]) -> None:
        for name, reader in {**READERS, **SECRET_READERS}.items():
            variable = VARIABLE + name.upper()
            if variable in environment:
                if name in _SECRETS and f"{variable}_FILE" not in environment:
                    # It wins over the name of a file in worker.yaml.
                    self.found.pop(f"{name}_file", None)
                self.read(name, environment[variable], _Place(f"${variable}", 1), reader)

    def file(self, path: Path) -> None:
        document = _document(path)
        if not isinstance(document, CommentedMap):
            self.fault(_Place(str(path), 1), "not a mapping", "begin with version: 1")
            return
        version = document.get("version")
        if version != 1 or isinstance(version, bool):
            self.fault(_place(path, document, "version"), f"version is {version!r}", "write 'version: 1'")
        for name, value in document.items():
            place = _place(path, document, name)
            if name in _SECRETS:
                right = f"take it out, and give {name}_file or ${VARIABLE}{name.upper()}"
                self._unread.add(name)
                self.fault(place, f"{name} is a secret, and this file is none", right)
            elif name in READERS:
                self.read(name, value, place, READERS[name])
            elif name != "version":
                close = get_close_matches(str(name), READERS, n=1)
                right = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(READERS)}"
                self.fault(place, f"unknown key {str(name)!r}", right)

    def security(self, *, read: bool = True) -> Security:
        whole = self._take_out(_SECURITY)
        return secure(whole, self._complain, read=read) if whole is not None else Security()

    def telling(self, *, read: bool = True) -> Telling:
        whole = self._take_out(TELLING)
        return telling(whole, self._complain, read=read) if whole is not None else Telling()

    def _take_out(self, beginnings: tuple[str, ...]) -> dict[str, Any] | None:
        """The settings that begin so; None when one could not be read: missing it would be no fault of its own."""
        found = {name: self.found.pop(name) for name in list(self.found) if name.startswith(beginnings)}
        return None if any(name.startswith(beginnings) for name in self._unread) else found

    def _complain(self, setting: str, wrong: str, right: str) -> None:
        place = self._places.get(setting) or self._places.get(f"{setting}_file") or _Place(f"--{option(setting)}", 1)
        self.fault(place, wrong, right)


def load(arguments: Values, environment: Mapping[str, str], directory: Path | None, *, reads: bool = True) -> Settings:
    """Settings from all sources; `arguments` by field name, those that were not given left out.

    `reads`: whether an input is needed.

    Raises ConfigurationError with every fault that was found, each with its place.
    """
    reader = _gather(arguments, environment, directory)
    if directory is not None:
        _add_operators(directory, reader.found, reader.faults)
    security, told = reader.security(), reader.telling()
    if not reader.faults:
        if "brokers" not in reader.found:
            right = "give --brokers HOST:PORT, or brokers: in worker.yaml"
            reader.fault(_Place("--brokers", 1), "no broker is named", right)
        if reads and not reader.found.get("inputs"):
            right = "give --input TOPIC, or inputs: in worker.yaml"
            reader.fault(_Place("--input", 1), "no input topic is named", right)
    if reader.faults:
        raise ConfigurationError(reader.faults)
    return Settings(directory=directory, security=security, telling=told, **{"inputs": {}, **reader.found})


def load_security(arguments: Values, environment: Mapping[str, str], directory: Path | None) -> Security:
    """Only how to connect, for a tool that is told by itself where and what; as `load`."""
    reader = _gather(arguments, environment, directory)
    security = reader.security()
    if reader.faults:
        raise ConfigurationError(reader.faults)
    return security


def _gather(arguments: Values, environment: Mapping[str, str], directory: Path | None) -> _Reader:
    reader = _Reader()
    if directory is not None:
        if not directory.is_dir():
            place = _Place(str(directory), 1)
            raise ConfigurationError([Fault(*place, "no such directory", "give a directory of configuration")])
        if (directory / FILE_NAME).exists():
            reader.file(directory / FILE_NAME)
    reader.environment(environment)
    for name, value in arguments.items():
        reader.read(name, value, _Place(f"--{option(name)}", 1), READERS[name])
    return reader


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


def lint(directory: Path) -> list[Fault]:
    """Every fault of worker.yaml, in the order of its lines; none when there is no such file.

    What may be given elsewhere is not missed, and files of secrets and certificates, which are rarely where a
    configuration is checked, are not opened.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return []
    reader = _Reader()
    try:
        reader.file(path)
    except ConfigurationError as error:
        return error.faults
    reader.security(read=False)
    reader.telling(read=False)
    return sorted(reader.faults, key=lambda fault: fault.line)


def option(name: str) -> str:
    """The option of the command line for a setting."""
    return {"inputs": "input", "directory": "config"}.get(name, name.removesuffix("_s").replace("_", "-"))


def _place(path: Path, document: CommentedMap, name: object) -> _Place:
    # A key that a merge (`<<`) brought in, or that is absent, has no place of its own.
    place = (document.lc.data or {}).get(name)
    return _Place(str(path), place[0] + 1 if place else 1)


def _document(path: Path) -> Any:
    """Raises ConfigurationError."""

    def refuse(line: int, wrong: str, right: str) -> ConfigurationError:
        return ConfigurationError([Fault(str(path), line, wrong, right)])

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise refuse(1, "not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise refuse(1, f"cannot be read: {error.strerror}", "make it readable") from error
    try:
        return YAML(typ="rt").load(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise refuse(line, f"not YAML: a control character, U+{ord(text[error.position]):04X}", "remove it") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or error
        raise refuse(mark.line + 1 if mark else 1, f"not YAML: {why}", "mend the syntax") from error
