"""Broadband Forum bulk data (TR-181 Device.BulkData): parameters of a device's data model, collected every so often.

    ObjectHierarchy     {"Report": [{"CollectionTime": 1790000001, "Device": {"DeviceInfo": {"ModelName": "stb-g2"}}}]}
    NameValuePair       {"Report": [{"CollectionTime": 1790000001, "Device.DeviceInfo.ModelName": "stb-g2"}]}
    ParameterPerRow     ReportTimestamp,ParameterName,ParameterValue,ParameterType
    ParameterPerColumn  ReportTimestamp,Device.DeviceInfo.ModelName,Device.DeviceInfo.SoftwareVersion

A record holds several reports where earlier ones could not be sent; all but the newest were held back. Each report is a
`heartbeat`; the operator's `measures` say which parameters are attempts, failures and latencies. Counters of a data
model only grow: `cumulative` measures count how far they went. Nothing in it says who the operator is.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.operators.bulkdata_csv import csv_reports
from pipeline.operators.identity import BY_FIRMWARE, Identity
from pipeline.operators.jsontext import UnusableRecordError, kind, read_document
from pipeline.operators.measures import Measures
from pipeline.operators.payload import Record, plausible
from pipeline.operators.profile import PLAIN, EnvironmentRule, Profile
from pipeline.operators.reading import Found, Reading, RecordAdapter, digest, header_sources, stable
from pipeline.operators.recall import Recall
from pipeline.operators.values import instant, is_absent, milliseconds, number

_ROOTS: Final = ("Device.", "InternetGatewayDevice.")


def _paths(*names: str) -> tuple[str, ...]:
    return tuple(root + name for name in names for root in _ROOTS)


USUAL: Final = {
    "device_class": _paths("DeviceInfo.ModelName", "DeviceInfo.ProductClass"),
    "firmware": _paths("DeviceInfo.SoftwareVersion"),
    "device_id": _paths("DeviceInfo.SerialNumber"),
}
UPTIME: Final = _paths("DeviceInfo.UpTime")
MOST_PARAMETERS: Final = 20_000

_TIMES: Final = ("CollectionTime", "ReportTimestamp")
_GRID_SHARE: Final = 0.05
_GRID_LEAST_S: Final = 2.0


class BulkData(RecordAdapter):
    """The adapter of bulk data."""

    version = "bulkdata/1"

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        super().__init__(profile, keep_raw=keep_raw)
        rule: EnvironmentRule = BY_FIRMWARE
        self.identity = Identity(profile, USUAL, rule)
        self._measures = Measures(profile)
        self._mapped = self.identity.used | self._measures.used | {*_TIMES, *UPTIME}
        self._uptime = Recall[float]()
        """Of each device, as it last said it."""
        self._phase = Recall[float]()
        """Seconds into its interval at which each device collects."""

    def read(self, record: Record) -> Reading:
        text = record.value.lstrip()
        problem = None
        wrong: list[str] = []
        if text[:1] in (b"{", b"["):
            reports = _json_reports(read_document(text))
        else:
            reports, ragged = csv_reports(text)
            if ragged is not None:
                wrong.append("bulkdata.ragged")
                problem = ragged
        carried = header_sources(record)
        times = [self._collected(report) for report in reports]
        newest = max((at for at, _ in times if at is not None), default=None)
        found: list[Found] = []
        unknown = 0
        # Earlier ones first, as counters are followed from one to the next.
        in_time = sorted(zip(reports, times, strict=True), key=_when)
        for report, (at, bad) in in_time:
            unknown += self._report(report, at, at != newest, [*wrong, *bad], carried, record, found)
        return Reading(found, unknown, newest, problem)

    def _report(
        self,
        values: dict[str, Any],
        at: int | None,
        late: bool,
        wrong: list[str],
        carried: dict[str, str],
        record: Record,
        out: list[Found],
    ) -> int:
        said = stable(values)
        if carried:
            values = {**carried, **values}
        fields = self.identity.of(values)
        if at is not None:
            fields["occurred_at"] = at
        if late:
            fields["cached"] = True
        device = (fields["operator"], fields.get("device_id"))
        restarted = self._restarted(device, values)
        if self.profile.interval_s is not None and at is not None:
            self._check_grid(device, at, restarted, self.profile.interval_s, wrong)
        # The device and the time of collection tell one report from the next; without them, when it came.
        telling = at is not None and device[1] is not None
        name = digest(said) if telling else digest(said, b"%d" % (record.timestamp or 0))
        parts, bad = self._measures.of(values, device, at=plausible(at), restarted=restarted)
        wrong += bad
        unmapped = [path for path in values if path not in self._mapped and path not in carried]
        raw = {path: values[path] for path in unmapped} if self.keep_raw and unmapped else None
        out.append(Found({**fields, "operation": "heartbeat", "outcome": "ok", "event_id": name}, tuple(wrong), raw))
        renamed = self.profile.operations
        for count, part in enumerate(parts):
            part["operation"] = renamed.get(part["operation"], part["operation"])
            out.append(Found({**fields, **part, "event_id": f"{name}.{count}"}))
        return len(unmapped)

    def _collected(self, report: dict[str, Any]) -> tuple[int | None, list[str]]:
        """When a report was collected, and what is wrong with how it says so."""
        said = next((report[name] for name in _TIMES if name in report), None)
        if is_absent(said):
            return None, ["bulkdata.time_missing"]
        count = number(said)
        if count is not None:
            at, off = milliseconds(count, self.profile.unit, "s")
            return at, ["clock.unit"] if off else []
        at_text = instant(said) if isinstance(said, str) else None
        return at_text, [] if at_text is not None else ["bulkdata.time_missing"]

    def _restarted(self, device: tuple[Any, Any], values: dict[str, Any]) -> bool:
        uptime = next((found for path in UPTIME if (found := number(values.get(path))) is not None), None)
        if uptime is None or device[1] is None:
            return False
        before = self._uptime.get(device)
        self._uptime.put(device, float(uptime))
        return before is not None and uptime < before

    def _check_grid(self, device: tuple[Any, Any], at: int, restarted: bool, interval: int, wrong: list[str]) -> None:
        phase = at / 1_000 % interval
        before = self._phase.get(device)
        if before is None or restarted:
            self._phase.put(device, phase)
            return
        off = abs(phase - before)
        if min(off, interval - off) > max(_GRID_LEAST_S, _GRID_SHARE * interval):
            wrong.append("bulkdata.grid")


def _when(report: tuple[dict[str, Any], tuple[int | None, list[str]]]) -> int:
    at = report[1][0]
    return -1 if at is None else at


def _json_reports(document: Any) -> list[dict[str, Any]]:
    """Raises UnusableRecordError: it holds no report."""
    listed = document.get("Report") if isinstance(document, dict) else None
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not listed or not all(isinstance(report, dict) for report in listed):
        raise UnusableRecordError(
            reason="bulkdata.no_report", detail=f"{kind(document)} without a list of reports under Report"
        )
    return [_flat(report) for report in listed]


def _flat(report: dict[str, Any]) -> dict[str, Any]:
    """A hierarchy of objects as paths; names that are paths already stay so.

    Raises:
        UnusableRecordError: more parameters than anybody reads.
    """
    out: dict[str, Any] = {}
    pending: list[tuple[str, Any]] = [("", report)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{path}.{name}" if path else name, inner) for name, inner in value.items()]
        else:
            out[path] = value
        if len(out) + len(pending) > MOST_PARAMETERS:
            raise UnusableRecordError(
                reason="record.too_many", detail=f"a report of more than {MOST_PARAMETERS} parameters"
            )
    return out
