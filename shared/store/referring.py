"""The object store together with the users' objects that items refer to: every reader of sources reads through it."""

from collections.abc import Iterable, Iterator

from shared.store import references
from shared.store.object_store import ObjectInfo, ObjectStore
from shared.store.references import is_reference
from shared.store.source_buckets import SourceBuckets


class ReferringStore(ObjectStore):
    """A store that reads references too (`shared.store.references`).

    What writes or deletes refuses a reference as it refuses every other text that is no key, since it goes to the
    store alone: nobody's own object is touched.
    """

    def __init__(self, store: ObjectStore, buckets: SourceBuckets) -> None:
        self._store = store
        self.buckets = buckets

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    def get(self, key: str) -> bytes:
        """Return an object's bytes, of a reference those of the very object that was submitted.

        Raises:
            SourceGone: of a reference: it is gone, another one by now, or may not be read.
        """
        return self.buckets.read(references.parse(key)) if is_reference(key) else self._store.get(key)

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes; None where there is none, or none as it was submitted."""
        return self.buckets.size(references.parse(key)) if is_reference(key) else self._store.size(key)

    def link(self, key: str, *, seconds: int, filename: str, content_type: str) -> str | None:
        """Return a link to an object of the store; a user's own is read by the stack alone, which checks it."""
        if is_reference(key):
            return None
        return self._store.link(key, seconds=seconds, filename=filename, content_type=content_type)

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Store an object."""
        self._store.put(key, data, content_type)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List the store's own objects."""
        return self._store.list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """List the store's own folders."""
        return self._store.folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects of the store."""
        self._store.delete(keys)

    def delete_prefix(self, prefix: str) -> int:
        """Delete objects of the store."""
        return self._store.delete_prefix(prefix)

    def prepare(self) -> None:
        """Prepare the store."""
        self._store.prepare()

    def check(self) -> None:
        """Check the store."""
        self._store.check()

    def close(self) -> None:
        """Close all connections."""
        self._store.close()
        self.buckets.close()
