"""How an operation of the API is declared: what it takes and gives stands once, in its decorator.

The declaration checks the request, makes the answer, and is what `admin.api.document` draws.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest

from admin.api.conditional import json_answer
from admin.api.schemas.problems import FieldProblem, Problem
from admin.web.problems import ProblemKind
from admin.web.refusals import Refused
from admin.web.request_ids import request_id

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

JSON, FORM = "application/json", "multipart/form-data"
PROBLEM_TYPE = "application/problem+json"
MAX_NAME_LENGTH = 200  # characters of a name that is given back
MAX_FIELDS = 20
"""Of the values that do not fit, so many are named."""
_MAX_NAMES = 100  # of values in a request: more than any operation knows
_DECLARED: dict[str, "Operation"] = {}
_View = Callable[..., BaseModel | ResponseReturnValue]


@dataclass(frozen=True)
class Operation:
    """What an operation takes and gives. `media` is what it gives where that is no JSON."""

    method: str
    summary: str
    description: str
    changes: bool
    answer: type[BaseModel] | None
    status: int
    media: tuple[str, ...]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    files: str | None  # the name of a form's part for files
    one_file: bool = False
    problems: Mapping[int, str] = field(default_factory=dict)
    repeatable: bool = False  # under an Idempotency-Key
    for_reviewers: bool = False  # changes grades and corrections alone
    waits: bool = False  # as `Prefer: wait=N` says

    @property
    def is_conditional(self) -> bool:
        """Whether its answers carry an ETag."""
        return self.method == "GET" and self.answer is not None and not self.changes


class InvalidRequest(BadRequest):
    """Values of a request that do not fit; `fields` says which."""

    code = 422

    def __init__(self, fields: list[FieldProblem]) -> None:
        more = len(fields) - MAX_FIELDS
        super().__init__("Some values do not fit: see `fields`" + (f", and {more:,} more." if more > 0 else "."))
        self.fields = fields[:MAX_FIELDS]

    @classmethod
    def of(cls, field: str, reason: str) -> "InvalidRequest":
        """Return what is wrong with one value."""
        return cls([FieldProblem(field=field, reason=reason)])


def operation(
    method: str,
    path: str,
    *,
    answer: type[BaseModel] | None = None,
    status: int = 200,
    media: tuple[str, ...] = (JSON,),
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    files: str | None = None,
    one_file: bool = False,
    problems: Mapping[int, str] | None = None,
    repeatable: bool = False,
    for_reviewers: bool = False,
    waits: bool = False,
    changes: bool | None = None,
) -> Callable[[_View], Callable[..., ResponseReturnValue]]:
    """Add a view to the API. It gets `query` and `body` as keywords and returns `answer`, or a response of its own.

    One that `changes` something, as all but a GET do, needs an operator (`admin.web.guard.auth`).
    """

    def declare(view: _View) -> Callable[..., ResponseReturnValue]:
        summary, _, description = (view.__doc__ or "").partition("\n")
        _DECLARED[view.__name__] = Operation(
            method=method,
            summary=summary.rstrip("."),
            description=" ".join(description.split()),
            changes=method != "GET" if changes is None else changes,
            answer=answer,
            status=status,
            media=media,
            query=query,
            body=body,
            files=files,
            one_file=one_file,
            problems=problems or {},
            repeatable=repeatable,
            for_reviewers=for_reviewers,
            waits=waits,
        )

        @wraps(view)
        def answering(**arguments: Any) -> ResponseReturnValue:
            if query is not None:
                arguments["query"] = _checked(query, request.args.to_dict())
            if body is not None:
                arguments["body"] = _checked(body, _form() if files else _json())
            result = view(**arguments)
            if not isinstance(result, BaseModel):
                return result
            return json_answer(result.model_dump_json(), status)

        blueprint.add_url_rule(path, view.__name__, answering, methods=[method])
        return answering

    return declare


def declared(endpoint: str) -> Operation | None:
    """Return the declaration of an endpoint of the API."""
    return _DECLARED.get(endpoint.removeprefix(f"{blueprint.name}."))


def problem(
    status: int,
    title: str,
    detail: str,
    fields: list[FieldProblem] | None = None,
    *,
    kind: ProblemKind | None = None,
    more: Mapping[str, str] | None = None,
) -> Response:
    """Return an error as the API gives it; without a kind that of its status."""
    found = Problem(
        type=(kind or ProblemKind.of_status(status)).type,
        title=title,
        status=status,
        detail=detail,
        fields=fields or [],
        request_id=request_id(),
        **(more or {}),
    )
    answer = jsonify(found.model_dump(exclude_none=True))
    answer.status_code = status
    answer.mimetype = PROBLEM_TYPE
    return answer


def _json() -> object:
    if not request.is_json:
        raise Refused(415, f"Send a body of the type {JSON}.")
    try:
        return request.get_json()
    except (BadRequest, RecursionError) as error:  # the latter: brackets within brackets within …
        raise InvalidRequest.of("", "the body is no JSON") from error


def _form() -> object:
    if request.mimetype != FORM:
        raise Refused(415, f"Send a form of the type {FORM}.")
    return request.form.to_dict()


def _checked(model: type[BaseModel], values: object) -> BaseModel:
    if isinstance(values, dict) and len(values) > _MAX_NAMES:
        raise InvalidRequest.of("", f"{len(values):,} values are more than there are names")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest(
            [
                FieldProblem(field=".".join(map(str, found["loc"]))[:MAX_NAME_LENGTH], reason=found["msg"])
                for found in error.errors(include_url=False, include_input=False)
            ]
        ) from error
