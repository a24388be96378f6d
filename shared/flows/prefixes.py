"""Submitting what lies in a bucket, where it lies: a page of the listing at a time becomes items that refer to it.

The bytes stay where they are; workers read them when the item's turn comes. How far a submission has come is the place
in the listing alone, so that memory stays flat; begun anew it leaves out what the job has, and takes anew what has
changed. Items are called as the objects behind the prefix that was given.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import NoReturn

from shared.errors import ItemError, ItemErrorCode, SourceGone, UsageError
from shared.flows.additions import add_images
from shared.flows.sources import MAX_PATH_BYTES, Source
from shared.images.formats import IMAGE_EXTENSIONS
from shared.jobs.records import FileVersion
from shared.patterns import literal_beginning, matches, matches_one, split_at_pattern
from shared.services import Services
from shared.store.references import SCHEME, Listed, Reference
from shared.store.source_buckets import Place

_UNUSABLE = frozenset({"", ".", ".."})  # as a name in a path


@dataclass(frozen=True)
class Wanted:
    """What is taken of a bucket.

    Args:
        place: the prefix behind which objects get their names.
        pattern: of these names, as a shell's; empty: all images.
        recursive: whether those with a `/` in their names are taken, where there is no pattern.
        exclude: patterns of what is left out.
    """

    place: Place
    pattern: str = ""
    recursive: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called as a job: its last folder, or its bucket."""
        return PurePosixPath(self.place.prefix).name or self.place.bucket

    @property
    def address(self) -> str:
        """How it is spelt."""
        return f"{self.place}/{self.pattern}" if self.pattern else str(self.place)

    @property
    def goes_deeper(self) -> bool:
        """Whether names with a `/` in them are listed."""
        return "/" in self.pattern or "**" in self.pattern if self.pattern else self.recursive


@dataclass(frozen=True)
class Listing:
    """What became of a page of a listing.

    Args:
        added, known, replaced, failed: items, as of `shared.flows.additions.Added`.
        left_out: objects that are no image by their extension, by extension; "" is that of none.
        hidden, excluded: objects that were left out, by a dot before their name or by a pattern.
        folders: below the prefix, not gone into.
        following: where the next page begins; None: this was the last.
    """

    added: int = 0
    known: int = 0
    replaced: int = 0
    failed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    hidden: int = 0
    excluded: int = 0
    folders: int = 0
    following: str | None = None


def is_address(text: str) -> bool:
    """Whether somebody means something in a bucket."""
    return text.startswith(SCHEME)


def wanted_of(address: str, *, recursive: bool = False, exclude: tuple[str, ...] = ()) -> Wanted:
    """Read `s3://bucket`, `s3://bucket/prefix`, an object's address or a pattern, `s3://bucket/plates/**/*.tif`.

    Raises:
        UsageError: it is none of these.
    """
    bucket, _, rest = address.removeprefix(SCHEME).partition("/")
    if not is_address(address) or not bucket or split_at_pattern(bucket)[1]:
        raise UsageError(f"{address!r} is no address in a bucket: write s3://bucket/prefix")
    folder, pattern = split_at_pattern(rest)
    prefix = folder.strip("/")
    if prefix and not _is_path(prefix):
        raise UsageError(f"{address!r} has an empty name, `.` or `..` on its way: write s3://bucket/prefix")
    return Wanted(Place(bucket, prefix), pattern, recursive, exclude)


def listed(services: Services, wanted: Wanted, following: str | None = None) -> tuple[list[Source], Listing]:
    """Return a page of what is wanted: of the first 1,000 objects, or of those that follow; and what was left out.

    Raises:
        UsageError: it may not be read.
        Retryable: a service went away; the same call goes on.
    """
    if following is None and not wanted.pattern and (single := services.buckets.find(wanted.place)) is not None:
        return [_source(services, single, PurePosixPath(wanted.place.prefix).name)], Listing()
    beginning = literal_beginning(wanted.pattern)
    page = services.buckets.page(wanted.place, beginning, recursive=wanted.goes_deeper, following=following)
    below = len(wanted.place.prefix) + 1 if wanted.place.prefix else 0
    sources: list[Source] = []
    left_out: Counter[str] = Counter()
    hidden = excluded = 0
    for each in page.objects:
        name = each.reference.key[below:]
        if not name or name.endswith("/"):  # what a console makes of a folder
            continue
        if any(part.startswith(".") and part not in (".", "..") for part in name.split("/")):
            hidden += 1
        elif matches_one(name, wanted.exclude):
            excluded += 1
        elif wanted.pattern and not matches(name, wanted.pattern):
            continue
        elif wanted.pattern or PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS:
            sources.append(_source(services, each, name))
        else:
            left_out[PurePosixPath(name).suffix.lower()] += 1
    folders = 0 if wanted.pattern else page.folders
    told = Listing(left_out=left_out, hidden=hidden, excluded=excluded, folders=folders, following=page.following)
    return sources, told


def add_listed(services: Services, job_id: str, wanted: Wanted, following: str | None = None) -> Listing:
    """Add a page of what is wanted to an unsealed job, see `listed`.

    Raises:
        UsageError: it may not be read, or the job takes no more images.
        Retryable: a service went away; the same call goes on.
    """
    sources, told = listed(services, wanted, following)
    done = add_images(services, job_id, sources, replaces=lambda _path: True, modified={})
    return replace(told, added=done.added, known=done.known, replaced=done.replaced, failed=done.failed)


def _source(services: Services, each: Listed, name: str) -> Source:
    most = services.settings.max_source_bytes
    version = partial(FileVersion, each.size, each.modified)
    if not _is_path(name):
        reason = "an empty name, `.` or `..` on its way, or longer than 2,000 bytes: give the object another key"
        return Source(_stand_in(name), lambda: _failed(ItemErrorCode.BAD_NAME, reason), version)
    if each.size > most:
        reason = f"{each.size:,} bytes: the largest file accepted has {most:,}"
        return Source(name, lambda: _failed(ItemErrorCode.TOO_MANY_BYTES, reason), version)
    return Source(name, partial(_read, services, each.reference), version, referred=each)


def _read(services: Services, reference: Reference) -> bytes:
    try:
        return services.buckets.read(reference)
    except SourceGone as error:
        raise ItemError(error.code, str(error)) from error


def _is_path(name: str) -> bool:
    """Whether an item can be called so; servers may read what lies elsewhere for a key with `..` in it."""
    return "\0" not in name and len(name.encode()) <= MAX_PATH_BYTES and not _UNUSABLE.intersection(name.split("/"))


def _stand_in(name: str) -> str:
    readable = "_".join(part for part in name.replace("\0", "/").split("/") if part not in _UNUSABLE)
    return f"{readable[:100]}~{hashlib.sha256(name.encode()).hexdigest()}"


def _failed(code: ItemErrorCode, reason: str) -> NoReturn:
    raise ItemError(code, reason)
