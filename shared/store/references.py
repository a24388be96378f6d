"""References to users' own objects: sources that are read where they lie, and that nobody here writes or deletes.

`s3://bucket/key#etag` stands where an item's source has its key otherwise. It is no key of a store (`:` and `#` are in
none), so every method that writes or deletes refuses it; `shared.store.referring` alone reads it. Key and ETag are
percent-encoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from shared.errors import UsageError

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object in somebody's bucket, as it was when it was submitted; `etag` without quotation marks."""

    bucket: str
    key: str
    etag: str

    def __str__(self) -> str:
        return f"{self.address}#{quote(self.etag, safe='')}"

    @property
    def address(self) -> str:
        """Where it lies, whatever it holds."""
        return f"{SCHEME}{self.bucket}/{quote(self.key, safe='/')}"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing; `size` in bytes, `modified` in nanoseconds since 1970."""

    reference: Reference
    size: int
    modified: int


@dataclass(frozen=True)
class ListedPage:
    """A page of a listing: objects, how many folders beside them were not gone into, and where the next begins."""

    objects: Sequence[Listed]
    folders: int
    following: str | None


def is_reference(key: str | None) -> bool:
    """Whether what names a source refers to an object that is not ours."""
    return key is not None and key.startswith(SCHEME)


def parse(text: str) -> Reference:
    """Read a reference.

    Raises:
        UsageError: it is none.
    """
    address, hash_sign, etag = text.partition("#")
    bucket, slash, key = address.removeprefix(SCHEME).partition("/")
    if not (is_reference(text) and hash_sign and slash and bucket and key and etag):
        raise UsageError(f"not a reference to an object: {text[:200]!r}")
    return Reference(bucket, unquote(key), unquote(etag))


def extension_of_source(key: str) -> str:
    """Return the extension, with its dot, of the object that a source's key or reference names; or nothing."""
    return PurePosixPath(parse(key).key if is_reference(key) else key).suffix
