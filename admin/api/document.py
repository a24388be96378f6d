"""The OpenAPI document, drawn from the routes and their declarations; served at `/api/v1/openapi.json`."""

import re
from typing import Any

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from admin.api import waiting
from admin.api.once import KEY_HEADER, KEY_PATTERN
from admin.api.operations import FORM, JSON, PROBLEM_TYPE, Operation, blueprint, declared
from admin.api.schemas.problems import Problem
from admin.api.waiting import MAX_WAIT_SECONDS
from admin.domain.request_keys import MAX_KEY_LENGTH
from admin.web.delivery.limits import MAX_FILES
from shared.version import code_version

_CONVERTED = re.compile(r"<(?:(?P<kind>\w+)(?:\([^>]*\))?:)?(?P<name>\w+)>")
_ANY_ERROR = {
    401: "No token, or one that is unknown, revoked or expired.",
    429: "The token asks more often than it may: wait for as many seconds as `Retry-After` says.",
    503: "A service is away or full, or too much is asked for at once; `detail` says what to do. Try again after "
    "`Retry-After`.",
}
_DRAWN = "delineate-api-document"
_REFERENCES = "#/components/schemas/{model}"


@blueprint.get("/openapi.json")
def document() -> ResponseReturnValue:
    """The description of the API; it asks for no token."""
    return openapi(current_app)


def openapi(app: Flask) -> dict[str, Any]:
    """Return the document of the API that `app` serves; it is drawn once, since strangers may ask for it."""
    if _DRAWN not in app.extensions:
        app.extensions[_DRAWN] = _drawn(app)
    drawn: dict[str, Any] = app.extensions[_DRAWN]
    return drawn


def _drawn(app: Flask) -> dict[str, Any]:
    routes = [(rule, found) for rule in app.url_map.iter_rules() if (found := declared(rule.endpoint)) is not None]
    used: set[tuple[type[BaseModel], JsonSchemaMode]] = {(Problem, "serialization")}
    used |= {(model, mode) for _, found in routes for model, mode in _models(found)}
    names, schemas = models_json_schema(sorted(used, key=str), ref_template=_REFERENCES)
    paths: dict[str, dict[str, Any]] = {}
    for rule, found in routes:
        path = _CONVERTED.sub(r"{\g<name>}", rule.rule)
        method = next(iter((rule.methods or set()) - {"HEAD", "OPTIONS"})).lower()
        paths.setdefault(path, {})[method] = {
            "operationId": rule.endpoint.rpartition(".")[2],
            "summary": found.summary,
            "description": _description(found),
            "parameters": [*_path_parameters(rule.rule), *_query_parameters(found), *_header_parameters(found)],
            **_request(found, names),
            "responses": _responses(found, names),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Delineate",
            "version": code_version(),
            "description": "Submit images, watch jobs, fetch masks. docs/access.md tells how to get a token.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models(found: Operation) -> list[tuple[type[BaseModel], JsonSchemaMode]]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    if found.answer is not None:
        models.append((found.answer, "serialization"))
    if found.body is not None:
        models.append((found.body, "validation"))
    return models


def _description(found: Operation) -> str:
    if not found.changes:
        return found.description
    return f"{found.description} Needs the role {'reviewer' if found.for_reviewers else 'operator'}.".strip()


def _path_parameters(rule: str) -> list[dict[str, Any]]:
    return [
        {
            "name": match["name"],
            "in": "path",
            "required": True,
            "schema": {"type": "string"} | ({"format": "uuid"} if match["kind"] == "uuid" else {}),
        }
        for match in _CONVERTED.finditer(rule)
    ]


def _query_parameters(found: Operation) -> list[dict[str, Any]]:
    if found.query is None:
        return []
    schema = found.query.model_json_schema(ref_template=_REFERENCES)
    inner = schema.pop("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(value, inner)}
        # Several words of one name stand in one value, with commas between.
        | ({"style": "form", "explode": False} if value.get("type") == "array" else {})
        for name, value in schema["properties"].items()
    ]


def _header_parameters(found: Operation) -> list[dict[str, Any]]:
    headers = []
    if found.repeatable:
        text = (
            "Any text of the client's own, such as a UUID. Sent again with the same key within a day, the request "
            "makes no second job: the answer is the first one's."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": KEY_PATTERN}
        headers.append((KEY_HEADER, schema, text))
    if found.waits:
        text = f"`wait=N`: answer when the job has ended, or after N seconds; at most {MAX_WAIT_SECONDS} are granted."
        headers.append((waiting.HEADER, {"type": "string"}, text))
    if found.is_conditional:
        headers.append(("If-None-Match", {"type": "string"}, "The `ETag` of an answer that the client has."))
    return [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": text}
        for name, schema, text in headers
    ]


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    """Put definitions in place of references to them; those of a query are small."""
    if isinstance(value, list):
        return [_inlined(entry, definitions) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return definitions[value["$ref"].rpartition("/")[2]]
    return {name: _inlined(entry, definitions) for name, entry in value.items()}


def _request(found: Operation, names: Any) -> dict[str, Any]:
    if found.body is None:
        return {}
    if found.files is None:
        content: dict[str, Any] = {JSON: {"schema": names[found.body, "validation"]}}
    else:
        schema = found.body.model_json_schema(ref_template=_REFERENCES)
        schema = _inlined(schema, schema.pop("$defs", {}))
        file: dict[str, Any] = {"type": "string", "contentMediaType": "image/*"}
        several = {"type": "array", "minItems": 1, "maxItems": MAX_FILES, "items": file}
        files = file if found.one_file else several
        schema["properties"][found.files] = files
        schema["required"] = [*schema.get("required", []), found.files]
        content = {FORM: {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def _responses(found: Operation, names: Any) -> dict[str, Any]:
    schema = names[found.answer, "serialization"] if found.answer is not None else None
    content = {media: {"schema": schema} if schema else {} for media in found.media}
    answers: dict[str, Any] = {str(found.status): {"description": "As asked for."}}
    if content:
        answers[str(found.status)]["content"] = content
    problems = dict(_ANY_ERROR) | dict(found.problems)
    if found.changes:
        problems[403] = "The token's role, or its account's, may not do that."
    if found.query is not None or found.body is not None:
        problems.setdefault(422, "Values that do not fit; `fields` says which.")
    if found.body is not None:
        problems[413] = "The body is too large, or each of its files; `detail` has the limit."
        problems[415] = "The body is of another type than the one below."
    if found.is_conditional:
        problems[304] = "It is still the one that `If-None-Match` names."
    if found.repeatable:
        problems.setdefault(409, "The job of this Idempotency-Key is still being made.")
    for status, text in sorted(problems.items()):
        answers[str(status)] = {"description": text}
        if status >= 400:
            answers[str(status)]["content"] = {PROBLEM_TYPE: {"schema": names[Problem, "serialization"]}}
    return answers
