"""Actions on many jobs, and which jobs those are."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from admin.api.requests.base import Moment, PriorityWord, Request, Text
from admin.api.requests.jobs import Changes
from shared.errors import ItemErrorCode
from shared.jobs.bulk_actions import MAX_SELECTED, BulkKind
from shared.jobs.filters import OWN_MODEL
from shared.jobs.state import JobKind, JobStatus


class JobsWanted(Request):
    """A filter of jobs; what is null asks for nothing. A time without a zone is in UTC."""

    states: list[JobStatus] | None = Field(default=None, max_length=len(JobStatus))
    kind: JobKind | None = None
    owner: Text | None = None
    since: Moment | None = Field(default=None, description="Submitted then or later.")
    until: Moment | None = Field(default=None, description="Submitted before.")
    text: Text | None = Field(default=None, description="In the name or the submitter, or the end of the id.")
    cause: ItemErrorCode | None = Field(default=None, description="With an image that failed with this code.")
    model: Annotated[str, Field(pattern=rf"^([0-9a-f]{{4,64}}|{OWN_MODEL})$")] | None = Field(
        default=None, description=f"Digits that its SHA-256 begins with; `{OWN_MODEL}`: each worker's own."
    )


class NewBulkAction(Request):
    """An action on many jobs: on those of `jobs`, or on all that fulfil `filter` now."""

    action: BulkKind
    jobs: Annotated[list[UUID], Field(min_length=1, max_length=MAX_SELECTED)] | None = None
    filter: JobsWanted | None = Field(default=None, description="`{}` is every job.")
    codes: Annotated[list[ItemErrorCode], Field(max_length=len(ItemErrorCode))] | None = Field(
        default=None, description="Of a retry: what failed with these alone; null: all that did not succeed."
    )
    priority: PriorityWord | None = Field(default=None, description="The new one, for the action `priority`.")
    changes: Changes | None = Field(
        default=None, description="Of clones: what they have of their own; null: each is as the job that it is made of."
    )
