"""What a reviewer says of a result."""

from typing import Annotated

from pydantic import Field

from admin.api.requests.base import Request
from shared.jobs.grades import MAX_NOTE_LENGTH, Grade

Note = Annotated[str, Field(max_length=MAX_NOTE_LENGTH, pattern=r"^[^\u0000]*$")]


class Grading(Request):
    """What a reviewer says of a result."""

    grade: Grade | None = Field(description="Null takes the grade back.")
    note: Note | None = Field(default=None, description="A few words of why.")


class Correction(Request):
    """A corrected mask."""
