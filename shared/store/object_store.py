"""The contract of an object store: three backends keep it (`shared.store.open`), and one test class runs over all."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.errors import ConfigurationError, UsageError
from shared.store import keys

MAX_KEY_LENGTH = 512  # characters; S3 allows 1,024 bytes with the store's own prefix included

_HEALTH_BYTES = b"delineate"

# A segment starts with no dot: no "." or "..", and names that start with one are left to the backends.
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One entry of a listing; `size` in bytes."""

    key: str
    size: int


class ObjectStore(ABC):
    """A store of bytes under keys. Safe to use from several threads at once.

    A key is one or more segments of ASCII letters, digits, `.`, `_` and `-`, joined by `/`; no segment starts
    with a dot.

    Raises:
        UsageError: of every method, for any other key.
        StoreUnavailable: of every method, when the store does not answer or fails: try again later.
        ConfigurationError: of every method, when it refuses the credentials or the address.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that the store was opened with; it holds no credentials."""

    @abstractmethod
    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store `data`, replacing what was there; a reader sees the old bytes or the new, never a mixture."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Return the object's bytes, all in memory: ask for `size` first where the object may be large.

        Raises:
            ObjectMissing: there is none.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None where there is none."""

    def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""
        return self.size(key) is not None

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose keys start with `prefix`, in no promised order, a page at a time.

        What somebody else put there under a name that is no key (a desktop's `.DS_Store`, a console's `folder/`) is
        left out: nobody could get or delete it.

        `prefix` is any beginning of a key: `jobs/7/` lists one job, `jobs/7` lists job 70 too.
        """

    @abstractmethod
    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the distinct prefixes one segment below `prefix`, each ending in a slash, in no promised order.

        `prefix` is empty or ends in a slash: `jobs/` yields `jobs/7/`, `jobs/70/` …, at the cost of those alone.
        A folder may turn out to be empty: an object of it was deleted meanwhile. Names that no key has are left out.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; a key without an object is no error. `keys` may be endless: memory stays flat."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> int:
        """Delete all objects whose keys start with `prefix` and return their number.

        Raises:
            UsageError: the prefix is empty: nobody deletes a whole store by an empty variable.
        """

    def link(self, key: str, *, seconds: int, filename: str, content_type: str) -> str | None:  # noqa: ARG002
        """Return a URL under which anybody can download the object for so long; None where there are no such links.

        It is signed without asking whether there is an object.
        """
        checked_key(key)
        return None

    @abstractmethod
    def prepare(self) -> None:
        """Create the bucket or the folder if it is not there. Safe to repeat, and to run in several processes."""

    def check(self) -> None:
        """Write a few bytes under `keys.HEALTH_CHECK` and read them back: address, credentials and rights work.

        Raises:
            ConfigurationError: the line names the setting to look at.
            StoreUnavailable: the store does not answer.
        """
        self.put(keys.HEALTH_CHECK, _HEALTH_BYTES)
        if self.get(keys.HEALTH_CHECK) != _HEALTH_BYTES:
            raise ConfigurationError(f"{self.url} gives back other bytes than it was given; check S3_ENDPOINT_URL")

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. The store is not used afterwards."""


def is_key(name: str) -> bool:
    """Whether a store takes an object of this name."""
    return len(name) <= MAX_KEY_LENGTH and _KEY.fullmatch(name) is not None


def checked_key(key: str) -> str:
    """Return `key` itself, or UsageError if no store takes it."""
    if not is_key(key):
        raise UsageError(f"not a key that the object store takes: {key[:MAX_KEY_LENGTH]!r}")
    return key


def checked_prefix(prefix: str) -> str:
    """Return `prefix` itself, or UsageError if no key can start with it."""
    if len(prefix) > MAX_KEY_LENGTH or not _PREFIX.fullmatch(prefix):
        raise UsageError(f"no key of the object store starts with {prefix[:MAX_KEY_LENGTH]!r}")
    return prefix


def checked_folder(folder: str) -> str:
    """Return `folder` itself, or UsageError if it is neither empty nor a prefix that ends in a slash."""
    if folder and not folder.endswith("/"):
        raise UsageError(f"not a folder of the object store, which ends in a slash: {folder[:MAX_KEY_LENGTH]!r}")
    return checked_prefix(folder)


def checked_deletion_prefix(prefix: str) -> str:
    """Return `prefix` itself, or UsageError if no key can start with it or if it stands for the whole store."""
    if not prefix:
        raise UsageError("an empty prefix would delete the whole store")
    return checked_prefix(prefix)
