"""The object store as the API lets one see it: files of images are read; what is put waits here for its batch."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

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
    def url(self) -> str:
        """Where the API is."""
        return self._connection.url

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:  # noqa: ARG002
        """Keep a source until `take` sends it."""
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `take` or `delete`
        file.write(data)
        self._waiting[key] = file

    def take(self, key: str) -> bytes:
        """Return what was put under a key, and keep it no longer."""
        with self._waiting.pop(key) as file:
            file.seek(0)
            return file.read()

    def get(self, key: str) -> bytes:
        """Return a file of an image."""
        parsed = keys.parse(key)
        with translated(missing=ObjectMissing):
            return self._connection.bytes("GET", f"items/{parsed.item}/files/{_FILES[parsed.kind]}")

    def delete(self, keys: Iterable[str]) -> None:
        """Let go of what waits to be sent."""
        for key in keys:
            if key in self._waiting:
                self._waiting.pop(key).close()

    def check(self) -> None:
        """Do nothing: whether the API answers is asked once."""

    def prepare(self) -> None:
        """Do nothing: it is the server's."""

    def close(self) -> None:
        """Let go of all that waits."""
        self.delete(list(self._waiting))

    def size(self, key: str) -> int | None:  # noqa: ARG002
        """Refuse: the API does not tell."""
        raise _not_told()

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:  # noqa: ARG002
        """Refuse: the API does not tell."""
        raise _not_told()

    def folders(self, prefix: str) -> Iterator[str]:  # noqa: ARG002
        """Refuse: the API does not tell."""
        raise _not_told()

    def delete_prefix(self, prefix: str) -> int:  # noqa: ARG002
        """Refuse: the API does not do it."""
        raise _not_told()


def _not_told() -> UsageError:
    return UsageError("the HTTP API does not give that: run the command without --api")
