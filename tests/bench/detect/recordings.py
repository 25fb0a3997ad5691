"""What the baseline stage says of a simulated fleet, kept on disk: the pattern stage is what is tried again and again.

A recording is cut into chunks of six hours, made as far as somebody listens. It is found again by a hash of the code
that made it (the simulator, the baseline stage and all that they import) and of the fleet, faults and times.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import zstandard

from models.snapshot import Plain, pack, unpack
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors, Evidence, FeedHealth
from pipeline.messages import MINUTE_MS, Change, Tick
from pipeline.observation import Cohort
from pipeline.simulate.faults import Fault
from pipeline.simulate.windows import SOURCE, simulate_windows
from tests.bench.detect.worlds import Setting

Message: TypeAlias = Evidence | Anchors | Tick

CHUNK: Final = 360
"""Minutes."""

ROOT: Final = Path(__file__).resolve().parents[3]
CACHE: Final = ROOT / "build" / "bench-detect"
_MADE_BY: Final = ("pipeline.simulate.windows", "pipeline.detect.baseline")
_FORMAT: Final = 1


class Recording:
    """The messages of one world from a minute on, in order.

    Args:
        folder: where chunks are kept.
        setting, faults: the world.
        begin: first minute; a multiple of CHUNK.
        history: what this one branches off at `begin`; None where it begins with nothing known.
        marks: minutes at which the baseline's state is kept for others to branch off.
    """

    def __init__(
        self,
        folder: Path,
        setting: Setting,
        faults: tuple[Fault, ...] = (),
        begin: int = 0,
        history: Recording | None = None,
        marks: tuple[int, ...] = (),
    ) -> None:
        if any(minute % CHUNK for minute in (begin, *marks)):
            msg = f"recordings begin and branch at multiples of {CHUNK} minutes, not at {begin} or {marks}"
            raise ValueError(msg)
        self.setting = setting
        self.faults = faults
        self.begin = begin
        self._history = history
        self._marks = marks
        what = repr((_FORMAT, setting, sorted(setting.kept()), [str(fault) for fault in faults], begin))
        self._folder = folder / code_hash() / hashlib.sha256(what.encode()).hexdigest()[:16]

    def messages(self) -> Iterator[Message]:
        """Chunks that are kept are read; from the first that is not they are made, and kept."""
        made: Iterator[list[Message]] | None = None
        for index in count():
            if self.begin + index * CHUNK >= self.setting.minutes:
                return
            path = self._folder / f"{index:03d}.zst"
            if made is None and not path.exists():
                made = self._make(skip=index)
            if made is not None:
                _write(path, _encode(next(made)))
            yield from _decode(path.read_bytes())

    def state_at(self, minute: int) -> Plain:
        """The baseline's state at one of the marks."""
        path = self._state_path(minute)
        if not path.exists():
            for _ in self._make(skip=0):
                if path.exists():
                    break
        state: Plain = msgspec.msgpack.decode(zstandard.decompress(path.read_bytes()))
        return state

    def _state_path(self, minute: int) -> Path:
        return self._folder / f"state-{minute}.zst"

    def _make(self, skip: int) -> Iterator[list[Message]]:
        """Chunks from the first on; those to skip are worked out and not given."""
        baseline = Baseline([SOURCE])
        if self._history is not None:
            baseline.restore(self._history.state_at(self.begin))
        world = self.setting.world(self.faults)
        out: list[Message] = []
        for message in simulate_windows(world, self.begin):
            # What is seen for the first time is quoted by incidents, and judges nothing.
            out += [said for said in baseline.feed(message) if not isinstance(said, Change)]
            if not isinstance(message, Tick):
                continue
            done = (message.minute - world.start_ms) // MINUTE_MS + 1
            if done in self._marks:
                state = msgspec.msgpack.encode(baseline.snapshot())
                _write(self._state_path(done), zstandard.compress(state, 3))
            if done % CHUNK == 0 or done == world.minutes:
                if skip:
                    skip -= 1
                else:
                    yield out
                out = []


@cache
def code_hash() -> str:
    """Of the sources of everything that has a say in what a recording holds."""
    seen: dict[str, bytes] = {}
    ahead = list(_MADE_BY)
    while ahead:
        name = ahead.pop()
        path = ROOT / (name.replace(".", "/") + ".py")
        if name in seen or not path.exists():
            continue
        seen[name] = path.read_bytes()
        for node in ast.walk(ast.parse(seen[name])):
            if isinstance(node, ast.ImportFrom) and node.module:
                ahead += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                ahead += [alias.name for alias in node.names]
    digest = hashlib.sha256()
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + seen[name] + b"\0")
    return digest.hexdigest()[:12]


def _write(path: Path, blob: bytes) -> None:
    """Whole or not at all, whoever else writes the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(blob)
    part.replace(path)


def _encode(messages: Iterable[Message]) -> bytes:
    """`Evidence.expected` is left out: nobody downstream reads it, and it would double the size."""
    cohorts: dict[Cohort, int] = {}
    channels: list[Channel] = []
    rows: list[Any] = []
    for message in messages:
        match message:
            case Tick():
                rows.append(["tick", message.source, message.minute])
            case Anchors():
                rows.append(["anchors", msgspec.to_builtins(message, enc_hook=_array_to_plain, builtin_types=(bytes,))])
            case Evidence():
                if channels[: len(message.channels)] != message.channels:
                    channels = message.channels
                numbers = [cohorts.setdefault(cohort, len(cohorts)) for cohort in message.cohorts]
                feeds = {name: msgspec.to_builtins(feed) for name, feed in message.feeds.items()}
                arrays = (message.n, message.x, message.aside, message.lag_ms)
                columns = len(message.channels)
                rows.append(["evidence", message.source, message.minute, numbers, columns, *map(pack, arrays), feeds])
    whole = {"cohorts": [list(cohort) for cohort in cohorts], "channels": channels, "rows": rows}
    return zstandard.compress(msgspec.msgpack.encode(whole), 1)


def _decode(blob: bytes) -> Iterator[Message]:
    whole = msgspec.msgpack.decode(zstandard.decompress(blob))
    cohorts = [Cohort(*cohort) for cohort in whole["cohorts"]]
    channels = [Channel(*channel) for channel in whole["channels"]]
    for kind, *row in whole["rows"]:
        if kind == "tick":
            yield Tick(row[0], row[1])
        elif kind == "anchors":
            yield msgspec.convert(row[0], Anchors, dec_hook=_array_from_plain)
        else:
            source, minute, numbers, columns, n, x, aside, lag, feeds = row
            counted = unpack(n)
            yield Evidence(
                source=source,
                minute=minute,
                cohorts=[cohorts[number] for number in numbers],
                channels=channels[:columns],
                n=counted,
                x=unpack(x),
                expected=np.full(counted.shape, np.nan),
                aside=unpack(aside),
                lag_ms=unpack(lag),
                feeds={name: msgspec.convert(feed, FeedHealth) for name, feed in feeds.items()},
            )


def _array_to_plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return pack(value)
    msg = f"{type(value).__name__} cannot be kept"
    raise NotImplementedError(msg)


def _array_from_plain(_: type, value: Any) -> object:
    return unpack(value)
