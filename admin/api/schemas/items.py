"""Images of a job and objects of their masks, as the API gives them."""

from typing import Any, Self

from pydantic import Field

from admin.api.measured import with_measurements, with_objects_columns
from admin.api.schemas.base import Response, Time, time_or_none
from admin.api.schemas.reviews import OF_REVIEWS, of_review
from shared.db.reasons import sentence_of
from shared.jobs.grades import Grade
from shared.jobs.records import Finding, Mark
from shared.jobs.records import Item as ItemRecord
from shared.jobs.state import ItemStatus


@with_measurements
class Item(Response):
    """One image of a job. What is measured is null until it succeeded, and against a truth that is not known."""

    id: str
    job_id: str
    number: int = Field(description="Its place in the job, from 0.")
    path: str = Field(description="Relative, as the submitter named it.")
    state: ItemStatus
    attempts: int
    error_code: str | None = Field(description="A stable word, such as `not_an_image`.")
    error: str | None
    note: str | None
    described: dict[str, Any] | None = Field(description="What a manifest says of it, by column.")
    finding: Finding | None = Field(description="Whether the mask has foreground; null without a result.")
    marks: list[Mark] = Field(description="What stands out in the result.")
    reason: str | None = Field(description="A stable word for why the result may not be what one hoped for.")
    explanation: str | None = Field(description="The same as a sentence.")
    finished_at: Time | None
    seconds: float | None
    width: int | None = Field(description="px")
    height: int | None = Field(description="px")
    model: str | None
    model_name: str | None = Field(description="As it was published; null: it was not.")
    threshold: float | None
    preprocessing: str | None
    postprocessing: str | None = Field(description="What was done to the mask; null: nothing.")
    pixel_width_um: float | None = Field(description="Width of a pixel in µm, where it is known.")
    pixel_height_um: float | None
    area_um2: float | None = Field(description="Area of all objects together, in µm², where a pixel's size is known.")
    code_version: str | None
    device: str | None = Field(description="That it was computed on, with its arithmetic and library.")
    source_bytes: int | None
    synthesis: dict[str, Any] | None = Field(description="What a generated image was made from.")
    reason_place: str | None = Field(description="Where in a large image the reason was found.")
    grade: Grade | None = Field(description="What a reviewer says of the result; null: nobody has said anything.")
    grade_note: str | None
    graded_by: str | None
    graded_at: Time | None
    corrected_by: str | None = Field(
        description="Who drew the corrected mask, the file `correction`; null: there is none."
    )
    corrected_at: Time | None
    files: list[str] = Field(description="What `/items/{item_id}/files/{file}` can give.")

    @classmethod
    def of(cls, item: ItemRecord, files: list[str]) -> Self:
        """Return an item as the API gives it."""
        computed = {"files", "finished_at", "marks", "explanation", "grade_note"}
        values = {name: getattr(item, name) for name in cls.model_fields.keys() - computed - OF_REVIEWS}
        values |= of_review(item.review) | {"grade_note": item.review.note}
        values |= {"marks": list(item.marks), "explanation": sentence_of(item.reason, item.reason_place) or None}
        return cls(**values, finished_at=time_or_none(item.finished_at), files=files)


class Items(Response):
    """A page of a job's images, in the order that was asked for."""

    items: list[Item]
    next: str | None = Field(description="The `after` of the next page; null on the last.")


@with_objects_columns
class MeasuredObject(Response):
    """An object of a mask; what is in µm is null where the size of a pixel is not known."""


class Objects(Response):
    """Some of the objects of a mask."""

    total: int = Field(description="How many the mask has.")
    objects: list[MeasuredObject]
