"""The OpenAPI document as a page for people, drawn here: its own style, no script, and it asks for no token."""

from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from admin.api.document import openapi
from admin.web.problems import ProblemKind

blueprint = Blueprint("api_docs", __name__, url_prefix="/api/v1")

_SCHEMA = "#/components/schemas/"


@blueprint.get("/docs")
def page() -> str:
    """Every operation with what it takes and gives, every schema, every kind of problem."""
    document = openapi(current_app)
    operations = [
        {"path": path, "method": method.upper(), **found}
        for path, methods in document["paths"].items()
        for method, found in methods.items()
    ]
    return render_template(
        "api_docs.html",
        info=document["info"],
        operations=operations,
        schemas=document["components"]["schemas"],
        problems=list(ProblemKind),
        type_of=type_of,
        reference_of=reference_of,
    )


@blueprint.get("/problems/<kind>")
def problem(kind: str) -> ResponseReturnValue:
    """What a problem's `type` leads to: its place on the page."""
    if kind not in {known.value for known in ProblemKind}:
        abort(404)
    return redirect(url_for("api_docs.page", _anchor=f"problem-{kind}"))


def reference_of(schema: dict[str, Any]) -> str | None:
    """Return the name of the schema that a schema refers to, itself or by its items; None where it has its own."""
    target = schema.get("$ref") or schema.get("items", {}).get("$ref", "")
    return target.removeprefix(_SCHEMA) or None


def type_of(schema: dict[str, Any]) -> str:
    """Return a schema's type and bounds in a few words."""
    if "anyOf" in schema:
        return " or ".join(type_of(each) for each in schema["anyOf"])
    if name := reference_of(schema):
        return f"array of {name}" if "items" in schema else name
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"array of {type_of(schema.get('items', {}))}"
    words = [str(schema.get("format") or schema.get("contentMediaType") or schema.get("type", "any"))]
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words += [f"{sign} {schema[name]:g}" for name, sign in bounds.items() if name in schema]
    if "maxLength" in schema:
        words.append(f"{schema.get('minLength', 0)} to {schema['maxLength']} characters")
    return ", ".join(words)
