"""Rules of Prometheus that follow from an intent; deploy/prometheus/rules has those that do not.

The heartbeat is the dead man's switch of the detector itself: it fires while a worker is ready, reaches the intent's
`dead_man` through Alertmanager, and whoever receives it there complains when it stops. Everything on the way is tried
by that: worker, Prometheus, Alertmanager.
"""

from __future__ import annotations

import itertools
from typing import Any, Final, TypeAlias

from scipy.special import pdtr

from pipeline.intent import Intent, Priority, Service

Yaml: TypeAlias = dict[str, Any]

HEARTBEAT: Final = "SeamwatchDetectorHeartbeat"
PROVEN_DAYS: Final = {Priority.NON_NEGOTIABLE: 30, Priority.DEGRADABLE: 90}
"""How old the last proof by a drill may be; what is best effort needs none."""
DAY_S: Final = 86_400
SURE: Final = 0.99
"""So rarely false pages alone would be so many."""


def prometheus(intent: Intent, fingerprint: str) -> Yaml:
    """A rules file. `fingerprint`: of the intent file, by which a worker says what it runs with."""
    rules = [_heartbeat(), *_reload(fingerprint), *_budget(intent)]
    rules += [_proven(one) for one in intent.services if one.priority in PROVEN_DAYS]
    return {"groups": [{"name": "seamwatch-intent", "rules": rules}]}


def _alert(name: str, expr: str, severity: str, summary: str, description: str, **more: Any) -> Yaml:
    labels = {"severity": severity, **more.pop("labels", {})}
    return {
        "alert": name,
        "expr": expr,
        **more,
        "labels": labels,
        "annotations": {"summary": summary, "description": description},
    }


def _heartbeat() -> Yaml:
    return _alert(
        HEARTBEAT,
        "max(seamwatch_ready) == 1",
        "none",
        "A Seamwatch worker is ready, Prometheus sees it, and Alertmanager hears of it.",
        "Fires always. When it stops, nothing of what follows may work: look at the workers first.",
    )


def _reload(fingerprint: str) -> list[Yaml]:
    return [
        _alert(
            "SeamwatchIntentRefused",
            "max by (job, instance) (seamwatch_intent_reload_failed) == 1",
            "ticket",
            "The Seamwatch worker {{ $labels.instance }} goes on with its former intent: the new one has faults.",
            "Its log says each fault with file and line; so does `seamwatch check`.",
            **{"for": "5m"},
        ),
        _alert(
            "SeamwatchIntentDiffers",
            f'count(seamwatch_intent_info) > 0 unless count(seamwatch_intent_info{{hash="{fingerprint}"}}) > 0',
            "ticket",
            "No Seamwatch worker runs with the intent that routes and rules were compiled from.",
            "Compile both again (seamwatch compile), or give the workers the intent that these are of.",
            **{"for": "15m"},
        ),
    ]


def _budget(intent: Intent) -> list[Yaml]:
    budget = intent.false_pages_per_week
    # The distribution function of Poisson's; all of scipy.stats would take a second to load.
    most = next(count for count in itertools.count() if pdtr(count, budget) >= SURE)
    pages = "job:seamwatch_page_changes:increase1w"
    changes = 'seamwatch_incident_changes_total{state="firing",severity="page"}'
    return [
        {"record": pages, "expr": f"sum by (job) (increase({changes}[1w]))"},
        _alert(
            "SeamwatchPagesBeyondBudget",
            f"{pages} > {most}",
            "ticket",
            f"More was paged in a week than {budget:g} false pages a week explain.",
            f"{{{{ $value }}}} changes that page; more than {most} false ones come less than once in a hundred weeks. "
            "Either they were true, or the detector is noisier than it says: give each its verdict, and look at the "
            "budget and its calibration.",
            **{"for": "1h"},
        ),
    ]


def _proven(service: Service) -> Yaml:
    days = PROVEN_DAYS[service.priority]
    metric = f"seamwatch_last_proven_timestamp_seconds{{service={_quoted(service.name)}}}"
    return _alert(
        "SeamwatchServiceNotProven",
        f"time() - max by (service) ({metric}) > {days * DAY_S} or absent({metric})",
        "ticket",
        "No drill has proven lately that trouble of {{ $labels.service }} is found and told.",
        f"It is to be proven every {days} days: run `seamwatch drill`.",
        labels={"service": service.name},
        **{"for": "1h"},
    )


def _quoted(text: str) -> str:
    """A string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
