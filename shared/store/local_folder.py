"""An object store in a local folder: the embedded stack's.

A key is a path below the folder. Writing goes to a temporary file beside the object, which is flushed to the
disk and then renamed over it, so a reader, and the next start after a crash, sees the old bytes or the new.

Why flush (fsync) each file: the result row that names a mask is committed after the mask is stored. Without
the flush a power cut can leave the row and a mask of zero bytes. It costs about half a millisecond on a solid
disk. The directory is not flushed: the file systems in use write the rename to their journal before the later
commit of the row.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import ConfigurationError, ObjectMissing, StoreUnavailable, UsageError
from shared.store import keys as store_keys
from shared.store.object_store import (
    ObjectInfo,
    ObjectStore,
    checked_deletion_prefix,
    checked_key,
    checked_prefix,
)

_HEALTH_BYTES = b"delineate"
# No key's segment starts with a dot, so a temporary file is never taken for an object.
_TEMPORARY_PREFIX = "."
# A deletion of the same prefix can take the folder away between two steps of a write; the write starts over.
_WRITE_ATTEMPTS = 5


class LocalFolderStore(ObjectStore):
    """Objects as files below `root`, an absolute path."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        if not self._root.is_absolute():
            raise ConfigurationError(f"STORE_URL needs an absolute path, not {str(root)!r}")

    @property
    def url(self) -> str:
        """`file:///absolute/path`."""
        return self._root.as_uri()

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:  # noqa: ARG002
        """Write beside the object, flush, rename; the content type is not kept (the name's ending tells it)."""
        with self._failures(f"write {key}"):
            path = self._path(key)
            for _ in range(_WRITE_ATTEMPTS):
                with suppress(FileNotFoundError):
                    self._write(path, data)
                    return
                self._create_parent(path)
        raise StoreUnavailable(f"cannot write {key} in {self._root}: its folder keeps being deleted")

    def get(self, key: str) -> bytes:
        """The file's bytes; ObjectMissing where there is no such file."""
        with self._failures(f"read {key}"):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise ObjectMissing(f"no object {key} in {self._root}") from error

    def size(self, key: str) -> int | None:
        """The file's size in bytes, or None."""
        with self._failures(f"read {key}"):
            path = self._path(key)
            return path.stat().st_size if path.is_file() else None

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Walk the folders that `prefix` leads into; what is deleted meanwhile is left out."""
        checked_prefix(prefix)
        return self._walk(prefix[: prefix.rfind("/") + 1], prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Unlink the files; their folders stay."""
        for key in keys:
            with (
                self._failures(f"delete {key}"),
                suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            ):
                self._path(key).unlink()

    def delete_prefix(self, prefix: str) -> int:
        """Unlink the files, temporary ones left by a killed process too, then the folders that are empty."""
        checked_deletion_prefix(prefix)
        deleted = 0
        with self._failures(f"delete {prefix}"):
            top = self._root / prefix[: prefix.rfind("/") + 1]
            for folder, _, names in os.walk(top, topdown=False, onerror=_unless_missing):
                inside = Path(folder)
                for name in names:
                    is_temporary = name.startswith(_TEMPORARY_PREFIX)
                    key = self._key(inside / name.removeprefix(_TEMPORARY_PREFIX))
                    if key.startswith(prefix):
                        with suppress(FileNotFoundError):
                            (inside / name).unlink()
                            deleted += not is_temporary
                if inside != self._root:
                    with suppress(OSError):  # not empty, or somebody else was faster
                        inside.rmdir()
        return deleted

    def prepare(self) -> None:
        """Create the folder and its parents."""
        with self._failures("create the folder"):
            self._root.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Write and read one small file."""
        if not self._root.is_dir():
            raise ConfigurationError(f"the object store's folder {self._root} does not exist: check STORE_URL")
        self.put(store_keys.HEALTH_CHECK, _HEALTH_BYTES)
        self.get(store_keys.HEALTH_CHECK)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        path = self._root.joinpath(checked_key(key))
        # A key cannot leave the root by its name; a symbolic link that somebody put there could lead out.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root)):
            raise UsageError(f"{key} leads out of {self._root} through a symbolic link")
        return path

    def _key(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _write(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(f"{_TEMPORARY_PREFIX}{path.name}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _create_parent(self, path: Path) -> None:
        # The root itself is created by `prepare` alone: a disk that is not mounted must not be written beside.
        if not self._root.is_dir():
            raise StoreUnavailable(f"the object store's folder {self._root} is not there")
        path.parent.mkdir(parents=True, exist_ok=True)

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        """The objects below `folder` ("" or ending in "/") whose keys start with `prefix`."""
        with (
            self._failures(f"list {prefix}"),
            suppress(FileNotFoundError, NotADirectoryError),
            os.scandir(self._root / folder) as entries,
        ):
            for entry in entries:
                key = folder + entry.name
                if entry.name.startswith(_TEMPORARY_PREFIX):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if f"{key}/".startswith(prefix):
                        yield from self._walk(f"{key}/", prefix)
                elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        yield ObjectInfo(key, entry.stat(follow_symlinks=False).st_size)

    @contextmanager
    def _failures(self, action: str) -> Iterator[None]:
        """Turn the operating system's errors into ours, with one line that says what was tried."""
        try:
            yield
        except PermissionError as error:
            raise ConfigurationError(
                f"cannot {action} in {self._root}: permission denied; check the folder's owner, or STORE_URL"
            ) from error
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise UsageError(f"cannot {action} in {self._root}: a key cannot be another key's folder") from error
        except OSError as error:  # a full or failing disk, a network folder that is away
            raise StoreUnavailable(f"cannot {action} in {self._root}: {error.strerror}") from error


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
