"""What becomes of images that are sent a few at a time, as the API gives it."""

from pydantic import Field

from admin.api.schemas.base import Response


class Added(Response):
    """What became of a batch of images."""

    added: int = Field(description="That are new.")
    known: int = Field(description="That the job had already, with the same content.")
    replaced: int = Field(description="That took the place of another content.")
    failed: int = Field(description="Of all these, those that cannot be used.")


class AddedObjects(Added):
    """What became of a page of a bucket's listing."""

    left_out: dict[str, int] = Field(description="Objects that are no images by their extension, by extension.")
    hidden: int = Field(description="Objects whose name, or a folder on its way, begins with a dot.")
    excluded: int = Field(description="Objects that `exclude` left out.")
    folders: int = Field(description="Beside these objects, which were not gone into.")
    next: str | None = Field(description="Where the following page begins; null: this was the last.")


class Version(Response):
    """What tells a file from what it was before."""

    size: int = Field(description="bytes")
    modified: int = Field(description="Nanoseconds since 1970.")


class Known(Response):
    """Which paths a job has; null where its sender did not say which version of the file it is."""

    files: dict[str, Version | None]


class Submissions(Response):
    """Jobs to go on with."""

    unsealed: str | None = Field(description="The job of this key to which images can be added.")
    awaited: str | None = Field(description="The sealed job of this key for which its sender waits.")
    others: list[str] = Field(description="All jobs to which images can be added, the newest first.")
