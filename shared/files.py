"""Files that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Write aside, then rename: the block writes the yielded path, which takes the place of `path` at its end.

    A reader sees the old file or the new, and after an error the old one; the bytes are on disk before the rename.

    Args:
        path: the file to write; its folder exists.
        mode: the new file's permissions.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode))
        yield aside
        with aside.open("rb+") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
