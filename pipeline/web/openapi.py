"""The OpenAPI 3.1 document of the API, made from its records: `python -m pipeline.web` writes it."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from typing import Any

import msgspec

from pipeline.web import records as say
from pipeline.web.endpoints import BASE, ENDPOINTS, PATH_PARAMETERS, Endpoint

_REFERENCE = "#/components/schemas/{name}"


def document(prefix: str = "") -> dict[str, Any]:
    """The document of a site that stands under `prefix`."""
    types = [say.Problem, *(one.answer for one in ENDPOINTS), *(one.body for one in ENDPOINTS if one.body is not None)]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(BASE + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Seamwatch",
            "version": version("seamwatch"),
            "description": inspect.getdoc(say),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From loopback none is needed, until tokens or proxies are configured.",
                }
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": _path_parameters(endpoint) + _query_parameters(endpoint.query),
        "responses": {str(status): answer for status, answer in _responses(endpoint).items()},
    }
    if endpoint.body is not None:
        schema = {"$ref": _REFERENCE.format(name=endpoint.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _query_parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    found = []
    (_,), schemas = msgspec.json.schema_components([query], ref_template=_REFERENCE)
    for name, schema in schemas[query.__name__]["properties"].items():
        # A parameter that is left out is left out; there is no null in a query.
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
        plain = {key: value for key, value in (kinds[0] if len(kinds) == 1 else schema).items() if key != "default"}
        if None in plain.get("enum", ()):
            plain["enum"] = [value for value in plain["enum"] if value is not None]
        found.append({"name": name, "in": "query", "required": False, "schema": plain})
    return found


def _responses(endpoint: Endpoint) -> dict[int, dict[str, Any]]:
    answer = {"$ref": _REFERENCE.format(name=endpoint.answer.__name__)}
    found: dict[int, dict[str, Any]] = {
        endpoint.status: {
            "description": "as asked" if endpoint.status == 200 else "on its way; what comes of it is a new record",
            "content": {"application/json": {"schema": answer}},
        }
    }
    if endpoint.method == "GET":
        found[304] = {"description": "as the If-None-Match says that it is known"}
    said = {
        400: "the request is not as described",
        401: "who asks is not said, or not believed",
        403: "who asks may not do that, or a foreign page asked for it",
        404: endpoint.missing,
        408: "the body came too slowly" if endpoint.body is not None else None,
        413: "the body is too large" if endpoint.body is not None else None,
        415: "the body is no JSON" if endpoint.body is not None else None,
        421: "this site has no such host name",
        503: "Kafka does not answer, or refuses" if endpoint.kafka else None,
    }
    problem = {"schema": {"$ref": _REFERENCE.format(name="Problem")}}
    for status, text in said.items():
        if text is not None:
            found[status] = {"description": text, "content": {"application/problem+json": problem}}
    return found
