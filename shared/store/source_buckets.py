"""Users' buckets whose objects are read where they lie: which may be, what is in them, and their bytes.

They are asked with the address and the keys of the object store itself, and only what SOURCE_BUCKETS names: whoever may
submit could otherwise read whatever those keys can. Nothing here writes or deletes.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ConfigurationError, ItemErrorCode, SourceGone, UsageError
from shared.store.references import SCHEME, Listed, ListedPage, Reference
from shared.store.s3_options import S3Options

if TYPE_CHECKING:
    from shared.store.s3_reader import S3Reader


@dataclass(frozen=True)
class Place:
    """A bucket, or what lies in it below a prefix, which has no slash at its end; "" is all of it."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def holds(self, other: "Place") -> bool:
        """Whether all of the other place lies in this one."""
        is_below = not self.prefix or f"{other.prefix}/".startswith(f"{self.prefix}/")
        return self.bucket == other.bucket and is_below


def places_of(text: str) -> tuple[Place, ...]:
    """Return the places that a setting names, with commas between them.

    Raises:
        ConfigurationError: one is no address of a bucket.
    """
    found = []
    for word in filter(None, map(str.strip, text.split(","))):
        bucket, _, prefix = word.removeprefix(SCHEME).partition("/")
        if not word.startswith(SCHEME) or not bucket:
            raise ConfigurationError(f"SOURCE_BUCKETS has {word!r}: write s3://bucket or s3://bucket/prefix")
        found.append(Place(bucket, prefix.strip("/")))
    return tuple(found)


class SourceBuckets:
    """The buckets that may be read, opened when they are first asked for. Safe in threads.

    Args:
        allowed: as SOURCE_BUCKETS has it.
        store_url: of the object store, whose own objects are nobody's sources.
        options: how the S3 server is reached.

    Raises:
        ConfigurationError: `allowed` names what is no address of a bucket.
    """

    def __init__(self, allowed: str, store_url: str, options: S3Options) -> None:
        self._allowed = places_of(allowed)
        self._own = places_of(store_url) if store_url.startswith(SCHEME) else ()
        self._options = options
        self._readers: dict[str, S3Reader] = {}
        self._lock = threading.Lock()

    def check(self, place: Place) -> None:
        """Look whether a place may be read.

        Raises:
            UsageError: it may not, or it holds what is stored here, the results of other jobs among it.
        """
        if not self._allowed:
            raise UsageError(
                "no bucket may be read where it lies: set SOURCE_BUCKETS to s3://bucket or s3://bucket/prefix, for the "
                "admin and the workers too"
            )
        if not any(allowed.holds(place) for allowed in self._allowed):
            raise UsageError(f"{place} is not in SOURCE_BUCKETS: whoever runs the stack can add it there")
        if any(own.holds(place) or place.holds(own) for own in self._own):
            raise UsageError(
                f"{place} holds the object store, so that results would be taken for sources: give another prefix, or "
                "move the store (STORE_URL) beside it"
            )

    def page(self, place: Place, beginning: str = "", *, recursive: bool, following: str | None = None) -> ListedPage:
        """List a page of the objects below a place whose keys go on so, in the order of their keys.

        Args:
            place: what is listed.
            beginning: of the keys, behind the place's prefix and a slash.
            recursive: whether objects are listed whose keys have a further `/` in them.
            following: of the page before.

        Raises:
            UsageError: it may not be read, there is no such bucket, or `following` is none of this listing.
            Retryable, ConfigurationError: the server is away, or refuses the stack's keys.
        """
        self.check(place)
        below = f"{place.prefix}/" if place.prefix else ""
        return self._reader(place.bucket).page(below + beginning, recursive=recursive, following=following)

    def find(self, place: Place) -> Listed | None:
        """Return the object whose key is the place's prefix, None where there is none; raises as `page` does."""
        self.check(place)
        if not place.prefix:
            return None
        # Of all keys that begin so it would be the first.
        found = self._reader(place.bucket).page(place.prefix, recursive=False, following=None).objects
        return found[0] if found and found[0].reference.key == place.prefix else None

    def read(self, reference: Reference) -> bytes:
        """Return the bytes of an object.

        Raises:
            SourceGone: it is not there, is another one by now, or may not be read.
            Retryable, ConfigurationError: the server is away, or refuses the stack's keys.
        """
        try:
            self.check(Place(reference.bucket, reference.key))
        except UsageError as error:  # the setting has changed since, or this part has another one
            raise SourceGone(ItemErrorCode.UNREADABLE, str(error)) from error
        return self._reader(reference.bucket).read(reference)

    def size(self, reference: Reference) -> int | None:
        """Return the size of an object in bytes; None where it is not there as it was submitted, or may not be read."""
        try:
            self.check(Place(reference.bucket, reference.key))
            return self._reader(reference.bucket).size(reference)
        except (UsageError, SourceGone):
            return None

    def close(self) -> None:
        """Close the connections."""
        for reader in self._readers.values():
            reader.close()

    def _reader(self, bucket: str) -> "S3Reader":
        from shared.store.s3_reader import S3Reader  # boto3 costs a quarter of a second, and few need it

        with self._lock:
            if bucket not in self._readers:
                self._readers[bucket] = S3Reader(bucket, self._options)
            return self._readers[bucket]
