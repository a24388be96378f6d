"""An object store in this process's memory, for tests."""

from collections.abc import Iterable, Iterator
from threading import Lock

from shared.errors import ObjectMissing
from shared.store.object_store import (
    ObjectInfo,
    ObjectStore,
    checked_deletion_prefix,
    checked_folder,
    checked_key,
    checked_prefix,
)


class MemoryStore(ObjectStore):
    """Objects in a dictionary."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, bytes] = {}
        self._lock = Lock()

    @staticmethod
    def named(name: str) -> "MemoryStore":
        """Return the process's one store of this name: all who open `memory://name` see the same objects."""
        with _named_lock:
            return _named.setdefault(name, MemoryStore(name))

    @property
    def url(self) -> str:
        """`memory://name`."""
        return f"memory://{self._name}"

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:  # noqa: ARG002
        """Keep a copy; the content type is not kept."""
        with self._lock:
            self._objects[checked_key(key)] = bytes(data)

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        with self._lock:
            data = self._objects.get(checked_key(key))
        if data is None:
            raise ObjectMissing(f"no object {key} in {self.url}")
        return data

    def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None."""
        with self._lock:
            data = self._objects.get(checked_key(key))
        return None if data is None else len(data)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List a snapshot of the moment of the call."""
        checked_prefix(prefix)
        with self._lock:
            return iter([ObjectInfo(k, len(v)) for k, v in self._objects.items() if k.startswith(prefix)])

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders of a snapshot of the moment of the call."""
        checked_folder(prefix)
        below = (info.key.removeprefix(prefix).partition("/") for info in self.list(prefix))
        return iter(dict.fromkeys(f"{prefix}{first}/" for first, slash, _rest in below if slash))

    def delete(self, keys: Iterable[str]) -> None:
        """Forget the objects."""
        for key in keys:
            with self._lock:
                self._objects.pop(checked_key(key), None)

    def delete_prefix(self, prefix: str) -> int:
        """Forget all objects under `prefix` at once."""
        checked_deletion_prefix(prefix)
        with self._lock:
            doomed = [key for key in self._objects if key.startswith(prefix)]
            for key in doomed:
                del self._objects[key]
        return len(doomed)

    def prepare(self) -> None:
        """Do nothing: there is nothing to create."""

    def close(self) -> None:
        """Keep the objects: the next to open the same name finds them."""


_named: dict[str, MemoryStore] = {}
_named_lock = Lock()
