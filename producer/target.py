"""The folder that a download writes: files appear whole or not at all, and never outside it.

A file that the folder refuses is lost alone (`FileRefused`); what would hit all others too ends the download.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import UsageError
from shared.files import replacing

# Some file systems keep times to the microsecond only, and floats of today to a quarter of it.
_SAME_TIME_SECONDS = 1e-3
# FAT keeps every other second.
_COARSE_SECONDS = 2.0
# A time that none of them keeps by chance, on FAT neither.
_PROBE_TIME = 1_000_000_001.5

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_ALL_FILES = _NO_ROOM | {
    errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN,
    errno.ENOMEM, errno.EMFILE, errno.ENFILE,
}  # fmt: skip


class FileRefused(UsageError):
    """The folder does not take this one file: its name, its size, or what stands in its place."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}")
        self.reason = reason


class TargetFolder:
    """A folder on the user's disk; safe to use from several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing.

        Raises:
            UsageError: it cannot be made.
        """
        with _failures(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.root = folder.resolve()
        self._made: set[Path] = set()
        # Within how many seconds a time that was set comes back; None where none can be set.
        self._precision: float | None = _SAME_TIME_SECONDS

    def mark(self, name: str, data: bytes) -> None:
        """Write a file of the folder's own, and find out how it keeps times.

        Raises:
            UsageError: nothing can be written.
        """
        with self.writing(name) as path:
            path.write_bytes(data)
            self._precision = _precision(path)

    def has(self, name: str, modified: float) -> bool:
        """Whether the file of this relative name is there with this modification time (Unix seconds).

        Where the folder keeps coarser times, so is the comparison; where it takes none, a file that is no older than
        the result will do.
        """
        path = self.root / name
        try:
            with _failures(path):
                status = path.lstat()
        except FileRefused:
            return False
        if not status.st_size:
            return False
        if self._precision is None:
            return status.st_mtime >= modified - _COARSE_SECONDS
        return abs(status.st_mtime - modified) < self._precision

    @contextmanager
    def writing(self, name: str, modified: float | None = None) -> Iterator[Path]:
        """Yield a path to write to; what is there on leaving becomes the file `name`, with its folders made.

        A folder that does not take `modified` gets the file all the same.

        Raises:
            FileRefused: this file cannot be written; others may be.
            UsageError: none can, or a link in the folder leads out of it.
        """
        path = self.root / name
        with _failures(path):
            self._make(path.parent)
            # Not flushed: what a power cut spoils is downloaded again.
            with replacing(path, mode=0o666, durable=False) as aside:
                yield aside
                if modified is not None:
                    with suppress(OSError):
                        os.utime(aside, (modified, modified))

    @contextmanager
    def keeping(self, name: str) -> Iterator[Path]:
        """Yield a hidden path beside the file `name`, with its folders made, for what is kept until that is whole.

        Raises:
            FileRefused: nothing can be kept there.
            UsageError: none can, or a link in the folder leads out of it.
        """
        path = self.root / name
        with _failures(path):
            self._make(path.parent)
            yield path.with_name(f".{path.name}.parts")

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(self.root):
            raise UsageError(f"{folder} leads out of {self.root} through a symbolic link: remove the link")
        self._made.add(folder)


def _precision(path: Path) -> float | None:
    """Try on a file within how many seconds a time comes back; None where it does not."""
    try:
        os.utime(path, (_PROBE_TIME, _PROBE_TIME))
        away = abs(path.lstat().st_mtime - _PROBE_TIME)
        os.utime(path)
    except OSError:
        return None
    return next((most for most in (_SAME_TIME_SECONDS, _COARSE_SECONDS) if away < most), None)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_ROOM:
            raise UsageError(f"cannot write {path}: {reason}; free some there, and a repeat gets the rest") from error
        if error.errno in _OF_ALL_FILES:
            raise UsageError(f"cannot write {path}: {reason}") from error
        raise FileRefused(path, reason) from error
