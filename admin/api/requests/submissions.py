"""Images that are sent a few at a time."""

from typing import Annotated

from pydantic import AfterValidator, Field, Json

from admin.api.requests.base import UNUSABLE, Request, Text
from admin.api.requests.images import Files, Images
from admin.web.delivery.limits import MAX_FILES
from shared.errors import ItemErrorCode

MAX_PATHS = 1000
# Of a manifest; PostgreSQL takes no NUL.
Column = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\u0000]*$")]
Cell = Annotated[str, Field(max_length=2000, pattern=r"^[^\u0000]*$")]


def _relative(path: str) -> str:
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("this is no relative path to a file")
    return path


Path = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_relative)]
SubmissionName = Annotated[str, Field(min_length=1, max_length=255)]


class NewSubmission(Images):
    """A job of images that come later."""

    key: SubmissionName | None = Field(
        default=None,
        description="Any text of the client's own, by which an interrupted submission is found.",
    )


class FailedFile(Request):
    """A file that its sender could not read."""

    path: Path
    code: ItemErrorCode
    error: Annotated[str, Field(max_length=500, pattern=r"^[^\u0000]*$")]


class BatchDetails(Request):
    """What is known of the files of a batch."""

    paths: list[Path] | None = Field(default=None, description="Of the files, in their order; else their names.")
    modified: dict[Path, Annotated[int, Field(ge=0, lt=2**63)]] = Field(
        default={}, description="When each was last written to, in nanoseconds since 1970."
    )
    replace: list[Path] = Field(default=[], description="Those that take the place of another content.")
    described: dict[Path, dict[Column, Cell]] = Field(
        default={},
        description="What a manifest says of each, or of all pages of each, by column; it comes back with the results.",
    )
    failed: list[FailedFile] = Field(default=[], max_length=MAX_FILES)


class Batch(Files):
    """Some images of a job."""

    replace: bool = Field(default=False, description="Whether an image takes the place of another one of its path.")
    details: Json[BatchDetails] | None = Field(default=None, description="JSON: what is known of the files.")


class Objects(Request):
    """A page of what lies in a bucket."""

    address: Annotated[str, Field(min_length=6, max_length=2000, pattern=rf"^s3://[^{UNUSABLE}]*$")] = Field(
        description="`s3://bucket/prefix`, an object, or a pattern such as `s3://bucket/plates/**/*.tif`.",
        examples=["s3://plates/2026"],
    )
    recursive: bool = Field(default=False, description="Whether folders below the prefix are gone into.")
    exclude: list[Text] = Field(
        default=[], max_length=20, description="Patterns of names and relative paths that are left out."
    )
    after: Annotated[str, Field(min_length=1, max_length=4000)] | None = Field(
        default=None, description="`next` of the page before."
    )


class Paths(Request):
    """Paths to look for in a job."""

    paths: list[Path] = Field(max_length=MAX_PATHS)


class SubmissionKey(Request):
    """Which submission to look for."""

    key: SubmissionName
    within: float = Field(default=0.0, ge=0, le=86400, description="A job that was sealed so many seconds ago too.")
    model: Text | None = Field(default=None, description="Which was asked for, as of a new job.")


class Submission(Request):
    """What to note of a submission."""

    key: SubmissionName | None = None
    awaited: bool | None = Field(default=None, description="Whether its sender waits for the job's end.")
