"""The API, declared once: what each address takes and answers. Routes and the OpenAPI document are made of this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from pipeline.web import records as say
from pipeline.web.access import Right

BASE: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """name: operation id, and the method of `Api` that answers. missing: what a 404 says; None: it cannot happen.

    kafka: it can fail with a 503 because Kafka does not answer.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    summary: str
    answer: type[msgspec.Struct]
    query: type[msgspec.Struct] = say.NoQuery
    body: type[msgspec.Struct] | None = None
    status: int = 200
    missing: str | None = None
    kafka: bool = False

    @property
    def right(self) -> Right:
        return "act" if self.method == "POST" else "read"


ENDPOINTS: Final = (
    Endpoint("GET", "/incidents", "incidents", "Incidents, the one that changed last first", say.IncidentPage,
             query=say.IncidentQuery),
    Endpoint("GET", "/incidents/{incident_id}", "incident", "One incident, its course, and past ones like it",
             say.IncidentDetail, missing="no such incident"),
    Endpoint("GET", "/incidents/{incident_id}/signals", "signals", "Its signals over time, with what was expected",
             say.Tracks, missing="no such incident"),
    Endpoint("GET", "/incidents/{incident_id}/reach", "reach", "Who is affected and who is not", say.Reach,
             missing="no such incident"),
    Endpoint("POST", "/incidents/{incident_id}/actions", "act", "Acknowledge, note, accept, or judge an incident",
             say.ActionTaken, body=say.ActionRequest, status=202, missing="no such incident", kafka=True),
    Endpoint("GET", "/changes", "changes", "Deployments and the like, told of or first seen; the newest first",
             say.ChangePage, query=say.ChangeQuery),
    Endpoint("POST", "/changes", "tell_change", "Tell of a deployment or the like", say.ChangeTaken,
             body=say.ChangeRequest, status=202, kafka=True),
    Endpoint("GET", "/drift", "drift", "Settings that are not the same everywhere", say.DriftList),
    Endpoint("POST", "/decisions", "decide", "Accept the present level of a scope as its anchor", say.DecisionTaken,
             body=say.DecisionRequest, status=202, kafka=True),
    Endpoint("GET", "/cohorts", "cohorts", "Cohorts, found and sorted", say.CohortPage, query=say.CohortQuery),
    Endpoint("GET", "/cohorts/{cohort_id}", "cohort", "One cohort", say.Cohort, missing="no such cohort"),
    Endpoint("GET", "/cohorts/{cohort_id}/signals", "cohort_signals", "Its signals over time", say.Tracks,
             missing="no such cohort"),
    Endpoint("GET", "/feeds", "feeds", "Telemetry of each operator", say.FeedList),
    Endpoint("GET", "/operators", "operators", "Operators: feed, contract, quirks, changes", say.OperatorList),
    Endpoint("GET", "/workarounds", "workarounds", "What is known to be wrong, and until when", say.WorkaroundList),
    Endpoint("GET", "/proofs", "proofs", "When each service was last proven by a drill", say.ProofList),
    Endpoint("GET", "/budget", "budget", "False pages: allowed and used", say.Budget),
    Endpoint("GET", "/state", "states", "The newest snapshots of baseline and pattern", say.StateList, kafka=True),
    Endpoint("GET", "/state/{stage}/{partition}", "state", "What is in a snapshot, a level at a time", say.StateSight,
             query=say.StateQuery, missing="no such snapshot, or nothing at that path in it", kafka=True),
)  # fmt: skip

PATH_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "incident_id": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$"},
    "cohort_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    "stage": {"type": "string", "enum": ["windows", "evidence"]},
    "partition": {"type": "integer", "minimum": 0, "maximum": 99999},
}
