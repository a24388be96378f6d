"""Which images of a job, and which of their objects."""

from pydantic import Field, ValidationInfo, field_validator

from admin.api.requests.base import MAX_PAGE_SIZE, Request
from shared.flows.item_words import ItemWords, as_a_value
from shared.jobs.item_filter import ItemSort
from shared.jobs.item_search import Place


class ItemsPage(ItemWords):
    """Which page of a job's images."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    after: str = Field(default="", max_length=8000, description="`next` of the page before.")

    @field_validator("after")
    @classmethod
    def _is_a_place(cls, after: str, info: ValidationInfo) -> str:
        if "sort" in info.data:
            as_a_value(Place.of_word, after, ItemSort.of_word(info.data["sort"]))
        return after


class ObjectsPage(Request):
    """Which objects of an image."""

    limit: int = Field(default=100, ge=1, le=MAX_PAGE_SIZE)
    after: int = Field(default=0, ge=0, le=10**9, description="The number of the last object of the page before.")
