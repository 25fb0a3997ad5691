"""RDK Telemetry 2.0: a device's report of a quarter of an hour or so, plain or in Xmidt's WRP.

    {"searchResult": [{"mac": "14:CF:E2:00:00:01"}, {"Version": "CGM4140COM_4.4p1s11_PROD_sey"}, {"PartnerId": "acme"},
                      {"Time": "2026-09-21 14:13:21"}, {"Profile": "RDKV_1"}, {"VideoStartTime": "{\\"tbu\\":…}"}]}

Each report is a `heartbeat`; the player's markers are observations of their own, and so is every marker that the
operator's `measures` name. Values are strings, zero counts are left out, and times have seconds. The device class is
what the firmware's name begins with and the environment a part of it, unless the configuration says otherwise. After a
failed upload the current report comes *before* the cached ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from pipeline.observation import MAX_NAME
from pipeline.operators import rdk_player, wrp
from pipeline.operators.identity import BY_FIRMWARE, Identity
from pipeline.operators.jsontext import UnusableRecordError, kind, read_document
from pipeline.operators.measures import Measures
from pipeline.operators.payload import Record, inflated
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.reading import MOST_FOUND, Found, Reading, RecordAdapter, digest, stable
from pipeline.operators.recall import Recall
from pipeline.operators.values import instant, is_absent, whole

ROOTS: Final = ("searchResult", "Report")
USUAL: Final = {
    "operator": ("PartnerId",),
    "firmware": ("Version",),
    "device_id": ("mac", "estbMac", "erouterMac"),
}
LIST_ENDS: Final = 20
"""Entries of an accumulated list; the last one is then a sentence that says so."""

_OWN: Final = frozenset(
    ("Time", "Profile", "REPORT_TYPE", "mac", "estbMac", "erouterMac", "Version", "PartnerId", *rdk_player.MARKERS)
)
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_BUILT: Final = re.compile(r"_(20\d{2})([01]\d)([0-3]\d)(?!\d)")


class Rdk(RecordAdapter):
    """The adapter of RDK Telemetry 2.0."""

    version = "rdk/1"

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        super().__init__(profile, keep_raw=keep_raw)
        self.identity = Identity(profile, USUAL, BY_FIRMWARE)
        self._has_class = "device_class" in profile.fields or "device_class" in profile.defaults
        self._measures = Measures(profile)
        self._mapped = self.identity.used | self._measures.used | _OWN
        self._newest = Recall[int]()
        """Time of each device's newest report that was not cached."""

    def read(self, record: Record) -> Reading:
        value, source = record.value, ""
        if wrp.is_msgpack(value):
            value, source = wrp.of_msgpack(value)
            document = read_document(_plain(value))
        else:
            document = read_document(value)
            if isinstance(document, dict) and "msg_type" in document:
                value, source = wrp.of_message(document)
                document = read_document(_plain(value))
        values, wrong = _markers(document)
        fields = self.identity.of(values)
        if source:
            fields.setdefault("device_id", source)
        firmware = fields.get("firmware")
        if not self._has_class and isinstance(firmware, str) and firmware.isprintable():
            fields["device_class"] = (firmware.split("_", 1)[0] or firmware)[:MAX_NAME]
        at = self._time(values, wrong)
        if at is not None:
            fields["occurred_at"] = at
            self._check_firmware(firmware, at, wrong)
        cached = values.pop("REPORT_TYPE", None) == "CACHED"
        if cached:
            fields["cached"] = True
        self._check_order(fields, at, cached, wrong)
        # What makes it cached is left out: sent again, a report is the same report. One without a time is told from the
        # next by when it came.
        said = stable(values)
        name = digest(said) if at is not None else digest(said, b"%d" % (record.timestamp or 0))
        parts = self._parts(values, fields, wrong)
        unmapped = [marker for marker in values if marker not in self._mapped and not marker.endswith("_CT")]
        found = [Found({**fields, "operation": "heartbeat", "outcome": "ok", "event_id": name}, tuple(wrong))]
        if self.keep_raw and unmapped:
            found = [found[0]._replace(raw={marker: values[marker] for marker in unmapped})]
        renamed = self.profile.operations
        for number, part in enumerate(parts):
            operation = part["operation"]
            part["operation"] = renamed.get(operation, operation)
            found.append(Found({**fields, **part, "event_id": f"{name}.{number}"}))
        return Reading(found, len(unmapped), at)

    def _parts(self, values: dict[str, Any], fields: dict[str, Any], wrong: list[str]) -> list[dict[str, Any]]:
        """What the report holds beside being a sign of life."""
        device = (fields["operator"], fields.get("device_id"))
        out: list[dict[str, Any]] = []
        for marker in rdk_player.MARKERS:
            said = values.get(marker)
            if said is None:
                continue
            for one in _entries(said, wrong) if isinstance(said, list) else (said,):
                out += rdk_player.observations(marker, one, wrong)
                if len(out) > MOST_FOUND:
                    raise UnusableRecordError(reason="record.too_many", detail=f"more than {MOST_FOUND} of {marker}")
        if self._measures.used and not self._measures.used.isdisjoint(values):
            times: dict[str, list[int]] = {}
            for source in self._measures.used & values.keys():
                said = values[source]
                if isinstance(said, list):
                    values = values if values[source] is not said else {**values, source: _entries(said, wrong)}
                    times[source] = _times(values, source, wrong)
            found, bad = self._measures.of(values, device, at=fields.get("occurred_at"), times=times.get)
            out += found
            wrong += bad
        return out

    def _time(self, values: dict[str, Any], wrong: list[str]) -> int | None:
        said = values.get("Time")
        if said is None:
            return None
        if is_absent(said):
            wrong.append("rdk.time_unknown")
            return None
        at = instant(said) if isinstance(said, str) else None
        if at is None:
            wrong.append("rdk.time")
        return at

    def _check_firmware(self, firmware: Any, at: int, wrong: list[str]) -> None:
        """Some builds are named after their day; nothing can come from before it."""
        if not isinstance(firmware, str) or firmware in self.profile.released_at:
            return
        day = _BUILT.search(firmware)
        if day is not None:
            built = instant("-".join(day.groups()))
            if built is not None and at < built:
                wrong.append("clock.before_firmware")

    def _check_order(self, fields: dict[str, Any], at: int | None, cached: bool, wrong: list[str]) -> None:
        device = (fields["operator"], fields.get("device_id"))
        if at is None or device[1] is None:
            return
        newest = self._newest.get(device)
        if cached:
            if newest is not None and at >= newest:
                wrong.append("rdk.cached_order")
        elif newest is None or at > newest:
            self._newest.put(device, at)


def _plain(payload: bytes) -> bytes:
    return inflated(payload) if payload.startswith(_COMPRESSED) else payload


def _markers(document: Any) -> tuple[dict[str, Any], list[str]]:
    """All markers of a report by name, those that stand in it several times as a list; and what is wrong with it.

    Raises:
        UnusableRecordError: it is no report.
    """
    report = None
    if isinstance(document, dict):
        report = next((document[root] for root in ROOTS if root in document), None)
    wrong: list[str] = []
    if isinstance(report, dict):
        report = [report]
        wrong.append("rdk.shape")
    if not isinstance(report, list) or not report:
        raise UnusableRecordError(
            reason="rdk.no_report", detail=f"{kind(document)} without a list under {' or '.join(ROOTS)}"
        )
    values: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    odd = 0
    for item in report:
        if item.__class__ is not dict:
            odd += 1
            continue
        odd += len(item) != 1
        for marker, value in item.items():
            if marker not in values:
                values[marker] = value
            elif marker in several:
                several[marker].append(value)
            else:
                before = values[marker]
                several[marker] = values[marker] = [*(before if isinstance(before, list) else [before]), value]
    if odd and not wrong:
        wrong.append("rdk.shape")
    return values, wrong


def _entries(said: list[Any], wrong: list[str]) -> list[Any]:
    """The entries of an accumulated list without the sentence that ends a full one."""
    if len(said) >= LIST_ENDS and isinstance(said[-1], str) and " " in said[-1].strip() and said[-1][:1] not in "{[":
        wrong.append("rdk.list_full")
        return said[:-1]
    return said


def _times(values: dict[str, Any], source: str, wrong: list[str]) -> list[int]:
    """When each entry of a list was noted: `<marker>_CT`, seconds as strings."""
    said = values.get(f"{source}_CT")
    if said is None:
        return []
    listed: Sequence[Any] = said if isinstance(said, list) else [said]
    found = [whole(value) for value in listed]
    if len(found) > len(values[source]) and isinstance(listed[-1], str) and found[-1] is None:
        found.pop()
    if len(found) != len(values[source]) or None in found:
        wrong.append("rdk.ct_count")
        return []
    return [1_000 * at for at in found if at is not None]
