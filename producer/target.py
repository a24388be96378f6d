"""The folder that a download writes: files appear whole or not at all, and never outside it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import UsageError
from shared.files import replacing

# Some file systems keep times to the microsecond only, and floats of today to a quarter of it.
_SAME_TIME_SECONDS = 1e-3


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

    def has(self, name: str, modified: float) -> bool:
        """Whether the file of this relative name is there with exactly this modification time (Unix seconds)."""
        path = self.root / name
        with _failures(path):
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return status.st_size > 0 and abs(status.st_mtime - modified) < _SAME_TIME_SECONDS

    @contextmanager
    def writing(self, name: str, modified: float | None = None) -> Iterator[Path]:
        """Yield a path to write to; what is there on leaving becomes the file `name`, with its folders made.

        Raises:
            UsageError: the file cannot be written, or a link in the folder leads out of it.
        """
        path = self.root / name
        with _failures(path):
            self._make(path.parent)
            # Not flushed: what a power cut spoils is downloaded again.
            with replacing(path, mode=0o666, durable=False) as aside:
                yield aside
                if modified is not None:
                    os.utime(aside, (modified, modified))

    def _make(self, folder: Path) -> None:
        if folder in self._made:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if not folder.resolve().is_relative_to(self.root):
            raise UsageError(f"{folder} leads out of {self.root} through a symbolic link: remove the link")
        self._made.add(folder)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
