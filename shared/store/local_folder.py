"""An object store in a local folder: the embedded stack's.

A key is a path below the folder. Bytes go to a temporary file first, which is flushed to the disk and then renamed
to the object's name, so a reader, and the next start after a crash, sees the old bytes or the new.

Why flush (fsync) each file: the result row that names a mask is committed after the mask is stored. Without the
flush a power cut can leave the row and a mask of zero bytes. It costs about half a millisecond on a solid-state
disk. The directory is not flushed: the file systems in use write the rename to their journal before the later
commit of the row.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import ConfigurationError, ObjectMissing, StoreFull, StoreUnavailable, UsageError
from shared.store.object_store import (
    ObjectInfo,
    ObjectStore,
    checked_deletion_prefix,
    checked_folder,
    checked_key,
    checked_prefix,
    is_key,
)

# Temporary files lie in one folder of the root, the same file system: deleting a job cannot take one away while it is
# being written. No key's segment starts with a dot, so nothing in it is ever taken for an object.
_TEMPORARY_FOLDER = ".writing"
_ABANDONED_AFTER_S = 3600  # a temporary file as old as this belongs to a process that was killed
# A deletion can take the object's folder away just before the rename, which is then tried again.
_RENAME_ATTEMPTS = 100


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
        """Write aside, flush, rename; the content type is not kept (the name's ending tells it)."""
        with self._failures(f"write {key}"):
            path = self._path(key)
            # Not `shared.files.replacing`: the temporary file lies in a folder of its own, the rename makes the key's
            # folders and is tried again where a deletion takes them away, and one descriptor serves write and flush.
            temporary = self._temporary_path()
            try:
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._rename(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def get(self, key: str) -> bytes:
        """Read the file."""
        with self._failures(f"read {key}"):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                self._require_root()
                raise ObjectMissing(f"no object {key} in {self._root}") from error

    def size(self, key: str) -> int | None:
        """Return the file's size in bytes, or None."""
        with self._failures(f"read {key}"):
            path = self._path(key)
            if path.is_file():
                return path.stat().st_size
            self._require_root()
            return None

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Walk the folders that `prefix` leads into; what is deleted meanwhile is left out."""
        top = self._top(checked_prefix(prefix))
        return self._walk(top, prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders directly below, empty ones too."""
        self._inside(checked_folder(prefix))
        return self._folders(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Unlink the files; their folders stay."""
        for key in keys:
            with (
                self._failures(f"delete {key}"),
                suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            ):
                self._path(key).unlink()

    def delete_prefix(self, prefix: str) -> int:
        """Unlink the files, then the folders that are empty."""
        top = self._top(checked_deletion_prefix(prefix))
        deleted = 0
        with self._failures(f"delete {prefix}"):
            for folder, _, names in os.walk(self._root / top, topdown=False, onerror=_unless_missing):
                inside = Path(folder)
                key = inside.relative_to(self._root).as_posix()
                for name in names:
                    if f"{key}/{name}".removeprefix("./").startswith(prefix):
                        with suppress(FileNotFoundError):
                            (inside / name).unlink()
                            deleted += 1
                if f"{key}/".startswith(prefix):
                    with suppress(OSError):  # not empty: somebody is writing into it again
                        inside.rmdir()
        return deleted

    def prepare(self) -> None:
        """Create the folder and its parents; clear away what killed processes were writing."""
        with self._failures("create the folder"):
            self._root.mkdir(parents=True, exist_ok=True)
            oldest_in_use = time.time() - _ABANDONED_AFTER_S
            for temporary in self._root.joinpath(_TEMPORARY_FOLDER).glob("*"):
                with suppress(FileNotFoundError):
                    if temporary.stat().st_mtime < oldest_in_use:
                        temporary.unlink()

    def check(self) -> None:
        """Write and read one small file."""
        if not self._root.is_dir():
            raise ConfigurationError(f"the object store's folder {self._root} does not exist; check STORE_URL")
        super().check()

    def close(self) -> None:
        """Do nothing: nothing is held open."""

    def _path(self, key: str) -> Path:
        return self._inside(checked_key(key))

    def _top(self, prefix: str) -> str:
        """Return the deepest folder that holds all keys which start with `prefix`: empty, or ending in a slash."""
        top = prefix[: prefix.rfind("/") + 1]
        self._inside(top)
        return top

    def _inside(self, relative: str) -> Path:
        # A key cannot leave the root by its name; a symbolic link that somebody put there could lead out.
        path = self._root / relative
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._root)):
            raise UsageError(f"{relative} leads out of {self._root} through a symbolic link")
        return path

    def _temporary_path(self) -> Path:
        folder = self._root / _TEMPORARY_FOLDER
        self._require_root()
        folder.mkdir(exist_ok=True)
        return folder / secrets.token_hex(16)

    def _require_root(self) -> None:
        # The root itself is created by `prepare` alone: a disk that is not mounted must not be written beside, and
        # what cannot be seen on it is not missing.
        if not self._root.is_dir():
            raise StoreUnavailable(f"the object store's folder {self._root} is not there")

    def _rename(self, temporary: Path, path: Path) -> None:
        for _ in range(_RENAME_ATTEMPTS):
            with suppress(FileNotFoundError):
                temporary.replace(path)
                return
            # mkdir says that it exists, too, where a deletion takes the folder away the moment after.
            with suppress(FileNotFoundError, FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
        raise StoreUnavailable(f"cannot write {path}: its folder keeps being deleted")

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects below `folder` ("" or ending in "/") whose keys start with `prefix`."""
        with (
            self._failures(f"list {prefix}"),
            self._missing_is_empty(),
            os.scandir(self._root / folder) as entries,
        ):
            for entry in entries:
                key = folder + entry.name
                if not is_key(key):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if f"{key}/".startswith(prefix):
                        yield from self._walk(f"{key}/", prefix)
                elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        yield ObjectInfo(key, entry.stat(follow_symlinks=False).st_size)

    def _folders(self, prefix: str) -> Iterator[str]:
        with (
            self._failures(f"list {prefix}"),
            self._missing_is_empty(),
            os.scandir(self._root / prefix) as entries,
        ):
            for entry in entries:
                key = prefix + entry.name
                if is_key(key) and entry.is_dir(follow_symlinks=False):
                    yield f"{key}/"

    @contextmanager
    def _missing_is_empty(self) -> Iterator[None]:
        """Take a folder that is not there for an empty one, unless the root is not there either."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            self._require_root()

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
        except OSError as error:  # a failing disk, a network folder that is away
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(
                    f"cannot {action} in {self._root}: {error.strerror}; free some space, and work goes on by itself"
                ) from error
            raise StoreUnavailable(f"cannot {action} in {self._root}: {error.strerror}") from error


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
