"""The intent file as JSON Schema (draft 2020-12), for editors that complete and underline while one writes.

Made of the same names and bounds as the loader, which refuses more: what only shows when the whole is read (`lint`).
`python -m pipeline.config.intent.schema` writes docs/intent.schema.json, which a test compares.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TypeAlias

from pipeline.config.intent import file, quantities, routing, service, thresholds
from pipeline.intent import Priority, Severity
from pipeline.observation import DIMENSIONS, MAX_NAME

Schema: TypeAlias = dict[str, Any]


def schema() -> Schema:
    """The whole."""
    made = _object(
        {
            "version": {"const": 1},
            "false_pages_per_week": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": file.LARGEST_BUDGET,
                "default": file.USUAL_BUDGET,
                "description": "False pages a week that the whole deployment may cost.",
            },
            "services": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {**_text(MAX_NAME), "pattern": f"^[^{service.SEPARATOR}]+$"},
                "additionalProperties": _service(),
            },
            "receivers": {
                "type": ["object", "null"],
                "additionalProperties": {"anyOf": [_receiver(kind) for kind in routing.SETTINGS]},
            },
            "routes": _nullable(_object({str(severity): _name() for severity in routing.ROUTED})),
            "owners": {"type": ["object", "null"], "additionalProperties": _text(512)},
            "dead_man": {**_name(), "description": "Hears of Prometheus that all is well; complains when it does not."},
            "alive": {
                **_name(),
                "description": "Hears the same of the workers, without Prometheus; complains likewise.",
            },
            "quiet_hours": _nullable(_quiet_hours()),
        },
        file.KEYS,
        needed=("version", "services"),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seamwatch intent",
        "description": "What matters, written once by people: DIR/intent.yaml of seamwatch.",
        **made,
    }


def _service() -> Schema:
    ratio = {"type": ["number", "null"], "exclusiveMinimum": 1, "maximum": service.MOST_RATIO}
    weight = {"type": "number", "minimum": service.LEAST_SENSITIVITY, "maximum": service.MOST_SENSITIVITY}
    return _object(
        {
            "operations": {"type": "array", "minItems": 1, "items": _text(MAX_NAME)},
            "priority": {"enum": [str(priority) for priority in Priority]},
            "thresholds": {"type": ["array", "null"], "items": _threshold()},
            "degradation": {
                "type": ["array", "null"],
                "description": "Where it may be worse, up to which ratio, before anybody is paged.",
                "items": _object(
                    {"operation": _name(), **{signal: ratio for signal in (*service.SIGNALS, service.ANY)}},
                    ("operation", *service.SIGNALS, service.ANY),
                ),
            },
            "depends_on": _nullable_names(_text(512)),
            "owner": _name(),
            "route": {**_name(), "description": "A receiver; else the owner's, else the severity's."},
            "runbook": {"type": ["string", "null"], "pattern": "^https?://", "maxLength": 1_024},
            "containment": {**_nullable_text(service.LONGEST_TEXT), "description": "The first thing to do."},
            "sensitivity": {
                "description": "Part in the budget of false pages, as a multiple of what the priority gives.",
                "anyOf": [
                    {"type": "null"},
                    weight,
                    _object(
                        {signal: _nullable(weight) for signal in (*service.SIGNALS, service.ANY)},
                        (*service.SIGNALS, service.ANY),
                    ),
                ],
            },
        },
        service.KEYS,
        needed=("operations", "priority"),
    )


def _threshold() -> Schema:
    share = {"type": "string", "pattern": f"^{quantities.SHARE}$", "examples": ["0.5 %"]}
    duration = {"type": "string", "pattern": f"^{quantities.DURATION}$", "examples": ["1200 ms"]}
    latency = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{quantities.QUANTILE}$"},
        "additionalProperties": duration,
        "examples": [{"p95": "1200 ms", "p99": "4 s"}],
    }
    limits = {thresholds.LATENCY: latency, **dict.fromkeys(thresholds.RATES, share)}
    made = _object(
        {
            "operation": _nullable_names(_text(512)),
            **limits,
            "over": {**duration, "default": thresholds.WINDOW},
            "per": {"anyOf": [{"const": thresholds.ALL}, _nullable_names({"enum": list(DIMENSIONS)})]},
            "scope": _nullable(_object(dict.fromkeys(DIMENSIONS, _name()), DIMENSIONS)),
        },
        thresholds.KEYS,
    )
    return {**made, "anyOf": [{"required": [signal]} for signal in limits]}


def _receiver(kind: str) -> Schema:
    settings: Schema = dict.fromkeys(routing.SETTINGS[kind], _nullable_text(1_024))
    needed = ("kind", *routing.NEEDED[kind])
    return _object({"kind": {"const": kind}, **settings}, ("kind", *routing.SETTINGS[kind]), needed=needed)


def _quiet_hours() -> Schema:
    time = {"type": "string", "pattern": f"^({routing.TIME})$", "examples": ["20:00"]}
    return _object(
        {
            "from": time,
            "until": time,
            "days": _names({"enum": list(routing.DAYS)}),
            "zone": {**_nullable_text(64), "default": "UTC", "examples": ["Europe/Vienna"]},
            "for": _nullable_names({"const": str(Severity.TICKET)}),
        },
        ("from", "until", "days", "zone", "for"),
        needed=("from", "until"),
    )


def _object(properties: Schema, keys: tuple[str, ...] | None = None, needed: tuple[str, ...] = ()) -> Schema:
    """A mapping with these keys and no others; `keys`: those of the loader, which must be the same."""
    if keys is not None and set(keys) != set(properties):
        msg = f"the loader knows {sorted(keys)}, the schema {sorted(properties)}"
        raise ValueError(msg)
    made: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": list(needed)} if needed else made


def _names(item: Schema) -> Schema:
    """One, or a list of them."""
    return {"anyOf": [item, {"type": "array", "minItems": 1, "items": item}]}


def _nullable_names(item: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, *_names(item)["anyOf"]]}


def _nullable(one: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, one]}


def _text(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _nullable_text(longest: int) -> Schema:
    return {"type": ["string", "null"], "minLength": 1, "maxLength": longest}


def _name() -> Schema:
    return _nullable_text(MAX_NAME)


def document() -> str:
    """docs/intent.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
