"""Who is to be told of the ends of jobs."""

from typing import Annotated

from pydantic import Field

from admin.api.requests.base import UNUSABLE, Request
from shared.upkeep.webhook_post import MAX_URL_LENGTH


class NewWebhook(Request):
    """Who is to be told of the ends of jobs."""

    url: str = Field(max_length=MAX_URL_LENGTH, description="https; no address of a private network.")
    owner: Annotated[str, Field(max_length=128, pattern=rf"^[^{UNUSABLE}]*$")] | None = Field(
        default=None, description="Tell of jobs of this owner alone; null: of all."
    )
