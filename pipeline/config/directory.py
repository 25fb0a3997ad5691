"""A configuration directory as a whole: everything in it read once, every fault of every file said at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pipeline.config.intent import FILE_NAME, IntentFile, read
from pipeline.config.operators import FOLDER, operators
from pipeline.config.workarounds import FILE_NAME as WORKAROUNDS
from pipeline.config.workarounds import workarounds
from pipeline.intent import ConfigurationError, Fault, Intent, default
from pipeline.operators import PLAIN, Adapter, Profile, adapter_of
from pipeline.workarounds import Workaround

DAY_MS: Final = 86_400_000
WARN_DAYS: Final = 14
"""What ends within so many days is said beforehand."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """operators: by name. remarks: what can be used and is probably not meant."""

    intent: Intent = field(default_factory=default)
    operators: dict[str, Profile] = field(default_factory=dict)
    remarks: tuple[Fault, ...] = ()

    @property
    def workarounds(self) -> tuple[Workaround, ...]:
        """In the order of their file."""
        return self.intent.workarounds

    def adapter(self, operator: str | None, format_name: str | None, *, keep_raw: bool = False) -> Adapter:
        """The adapter for an operator's records, or for those of a format; of the latter's one operator, if it has one.

        Raises:
            LookupError: there is no such operator, or it has to be said which one.
        """
        if operator is not None:
            profile = self.operators.get(operator)
            if profile is None:
                known = ", ".join(sorted(self.operators)) or "none, give --config DIR with operators/NAME.yaml"
                msg = f"no operator {operator!r} is configured; there are: {known}"
                raise LookupError(msg)
            if format_name is not None and format_name != profile.format:
                msg = f"{operator} is configured to send {profile.format}, not {format_name}; leave out the format"
                raise LookupError(msg)
            return adapter_of(profile.format, profile, keep_raw=keep_raw)
        name = format_name or "canonical"
        several = [profile for profile in self.operators.values() if profile.format == name != "canonical"]
        if len(several) > 1:
            known = ", ".join(profile.name for profile in several)
            msg = f"several operators send {name}: say which with --operator, of {known}"
            raise LookupError(msg)
        return adapter_of(name, several[0] if several else PLAIN, keep_raw=keep_raw)

    def warnings(self, now: int) -> list[str]:
        """What has expired, or is about to, at a time in ms since the epoch."""
        said = []
        for profile in self.operators.values():
            for quirk in profile.quirks:
                said += _expiry(f"quirk {quirk.id!r} of {profile.name}", quirk.owner, quirk.expires_at, now)
        for one in self.workarounds:
            said += _expiry(f"workaround {one.id!r}", one.owner, one.expires_at, now)
        return said


def configuration(directory: Path) -> Configuration:
    """Raises ConfigurationError with every fault of every file."""
    faults: list[Fault] = []
    file = read(directory, faults)
    if not directory.is_dir():
        raise ConfigurationError(faults)
    profiles = operators(directory, faults)
    registry = workarounds(directory, faults)
    if faults:
        raise ConfigurationError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    limits = {profile.name: profile.rejects for profile in profiles}
    # What hides incidents, and what makes a feed one, goes wherever the intent goes.
    intent = replace(file.intent, workarounds=registry, reject_limits=limits)
    remarks = IntentFile(intent, file.root).warnings(_sent(profiles))
    return Configuration(intent, {profile.name: profile for profile in profiles}, tuple(remarks))


def _sent(profiles: list[Profile]) -> set[str]:
    """Operations that the built-in intent or an operator's file knows."""
    known = {operation for service in default().services for operation in service.operations}
    for profile in profiles:
        known |= {*profile.operations.values(), *(measure.operation for measure in profile.measures)}
    return known


def fingerprint(directory: Path, *, intent_alone: bool = False) -> str:
    """Of what stands in the files that `configuration` reads (or in the intent file), in twelve characters."""
    names = [FILE_NAME] if intent_alone else [FILE_NAME, WORKAROUNDS]
    paths = [directory / name for name in names]
    if not intent_alone:
        paths += sorted((directory / FOLDER).glob("*.yaml"))
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _expiry(what: str, owner: str, at: int, now: int) -> list[str]:
    days = (at - now) / DAY_MS
    if days <= 0:
        return [f"{what} has expired {-days:.0f} days ago; {owner} mends what it hid, or says anew until when"]
    return [f"{what} expires in {days:.0f} days; its owner is {owner}"] if days <= WARN_DAYS else []
