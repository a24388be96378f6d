"""What all of the API's answers have in common."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[datetime, Field(description="In UTC, as RFC 3339 has it.")]


class Response(BaseModel):
    """What the API gives."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


def time_or_none(timestamp: float | None) -> datetime | None:
    """Return a Unix time as the API gives it, and nothing as nothing."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def time_of(timestamp: float) -> datetime:
    """Return a Unix time as the API gives it."""
    return datetime.fromtimestamp(timestamp, UTC)
