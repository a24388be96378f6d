"""The object store as the API lets one see it: files of images are read; what is put waits here for its batch."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from typing_extensions import override

from delineate_client.connection import Connection
from producer.remote.translated import translated
from shared.errors import ObjectMissing, UsageError
from shared.store import ObjectStore, keys
from shared.store.object_store import ObjectInfo

# Larger files wait on disk.
_IN_MEMORY_BYTES = 2**20
_FILES = {
    keys.KeyKind.SOURCE: "source",
    keys.KeyKind.TRUTH: "truth",
    keys.KeyKind.MASK: "mask",
    keys.KeyKind.PROBABILITY: "probability",
}


class RemoteStore(ObjectStore):
    """The files of one API."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, IO[bytes]] = {}

    @property
    @override
    def url(self) -> str:
        """Where the API is."""
        return self._connection.url

    @override
    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        """Keep a source until `take` sends it."""
        self._waiting[key] = file = _opened()
        file.write(data)

    def take(self, key: str) -> bytes:
        """Return what was put under a key, and keep it no longer."""
        with self._waiting.pop(key) as file:
            file.seek(0)
            return file.read()

    @override
    def get(self, key: str) -> bytes:
        """Return a file of an image."""
        parsed = keys.parse(key)
        with translated(missing=ObjectMissing):
            return self._connection.bytes("GET", f"items/{parsed.item}/files/{_FILES[parsed.kind]}")

    @override
    def delete(self, keys: Iterable[str]) -> None:
        """Let go of what waits to be sent."""
        for key in keys:
            if key in self._waiting:
                self._waiting.pop(key).close()

    @override
    def check(self) -> None:
        """Do nothing: whether the API answers is asked once."""

    @override
    def prepare(self) -> None:
        """Do nothing: it is the server's."""

    @override
    def close(self) -> None:
        """Let go of all that waits."""
        self.delete(list(self._waiting))

    @override
    def size(self, key: str) -> int | None:
        """Refuse: the API does not tell."""
        raise not_told()

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Refuse: the API does not tell."""
        raise not_told()

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        """Refuse: the API does not tell."""
        raise not_told()

    @override
    def delete_prefix(self, prefix: str) -> int:
        """Refuse: the API does not do it."""
        raise not_told()


def _opened() -> IO[bytes]:
    """A file that whoever asks for it closes."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)


def not_told() -> UsageError:
    """Return what is raised where the API has no such answer."""
    return UsageError("the HTTP API does not give that: run the command without --api")
