"""Files that are whole or not there."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, mode: int = 0o644, durable: bool = True) -> Iterator[Path]:
    """Write aside, then rename: the block writes the yielded path, which takes the place of `path` at its end.

    A reader sees the old file or the new, and after an error the old one. Threads and processes that replace one file
    at once do not disturb each other; the last one to end wins.

    Args:
        path: the file to write; its folder exists.
        mode: the new file's permissions, less the umask, also where the block puts a file of its own there.
        durable: flush the bytes to the disk before the rename, so that a power cut leaves no empty file. Without it
            files that can be made again are written faster.
    """
    # A name of its own for each call, and no longer for a long `path`.
    aside = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
        permissions = os.fstat(descriptor).st_mode & 0o777
        os.close(descriptor)
        yield aside
        if aside.stat().st_mode & 0o777 != permissions:  # safetensors, say, renames a file of its own to `aside`
            aside.chmod(permissions)
        if durable:
            with aside.open("rb+") as written:
                os.fsync(written.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
