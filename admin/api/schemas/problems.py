"""Errors, as the API gives them."""

from pydantic import BaseModel, ConfigDict, Field

from admin.api.schemas.base import Response


class FieldProblem(Response):
    """What is wrong with one value of a request."""

    field: str
    reason: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Which problem it is, for programs: a stable address, where it is described.")
    title: str
    status: int
    detail: str = Field(description="What to do about it, in one line.")
    fields: list[FieldProblem] = Field(description="The values that do not fit.")
    request_id: str = Field(description="Of this request, as in the header `X-Request-ID` and in the log.")
    job: str | None = Field(default=None, description="The address of the job that it is about, where there is one.")
    code: str | None = Field(default=None, description="Why an image failed, a stable word.")
