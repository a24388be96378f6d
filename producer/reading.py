"""Reading one file to submit: regular files alone, within the submitted folder, within the size accepted.

What lies in a folder is opened from that folder on, one name after the other, none of which may be a link: what was
listed as a folder and has become a link since leads nowhere.

Each function is the `read` of a `shared.flows.submission.Source`: it gives the bytes, or raises the ItemError that
becomes the item's failure.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NoReturn

from shared.errors import ItemError, ItemErrorCode
from shared.images.formats import HEAD_BYTES, is_readable
from shared.jobs.records import FileVersion

# Neither waits for a pipe's other end, nor takes a terminal.
_AS_FILE = os.O_NONBLOCK | os.O_NOCTTY
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
}


def read_file(path: str, *, root: str | None, max_bytes: int) -> bytes:
    """Return the bytes of the file at `path`; a link is followed as long as it stays inside `root`.

    `root` is None for a file whose links are followed wherever they lead: one that the user has named, or all of them.
    Only a regular file is opened, and in a way that does not wait even if it is swapped for a pipe just then.

    Raises:
        ItemError: `unreadable`, `symlink_outside`, `not_a_file` or `too_many_bytes`.
    """
    with opened(path, root=root) as file:
        status = os.fstat(file.fileno())
        _check(status, max_bytes)
        return file.read(status.st_size)


@contextmanager
def opened(path: str, *, root: str | None) -> Iterator[BinaryIO]:
    """Open the file at `path` as `read_file` does, whatever its size.

    Raises:
        ItemError: as `read_file`; also where reading it fails later.
    """
    try:
        if root is None:
            path = os.path.realpath(path, strict=True)
        elif os.path.islink(path):
            root, path = os.path.realpath(root), os.path.realpath(path, strict=True)
            if not _lies_in(path, root):
                raise ItemError(ItemErrorCode.SYMLINK_OUTSIDE, "a symbolic link that leads out of the submitted folder")
        _check_kind(os.stat(path, follow_symlinks=False))
        descriptor = _open(path, _AS_FILE) if root is None else _open_beneath(root, os.path.relpath(path, root))
        with open(descriptor, "rb") as file:
            _check_kind(os.fstat(descriptor))
            yield file
    except OSError as error:
        raise ItemError(ItemErrorCode.UNREADABLE, _reason(error)) from error


def file_version(path: str) -> FileVersion | None:
    """Return what tells the file at `path` from what it was before or will be; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileVersion(status.st_size, status.st_mtime_ns)


def leads_outside(path: str, root: str) -> bool:
    """Whether a link leads to something outside of the folder `root`."""
    return os.path.lexists(target := os.path.realpath(path)) and not _lies_in(target, os.path.realpath(root))


def looks_like_an_image(path: str) -> bool:
    """Whether the file at `path`, which is a regular one, begins as an image that can be read does."""
    try:
        descriptor = _open(path, _AS_FILE)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and is_readable(os.read(descriptor, HEAD_BYTES))
        finally:
            os.close(descriptor)
    except OSError:
        return False


def bad_name() -> NoReturn:
    """Raise the failure of a file whose name cannot be kept."""
    raise ItemError(ItemErrorCode.BAD_NAME, "the path is not valid UTF-8, or longer than 2,000 bytes: rename the file")


def unreadable_folder() -> NoReturn:
    """Raise the failure that stands for the files of a folder that cannot be listed."""
    raise ItemError(ItemErrorCode.UNREADABLE, "the folder cannot be read: check its permissions")


def _lies_in(path: str, root: str) -> bool:
    return os.path.commonpath([path, root]) == root


def _open(path: str, flags: int, folder: int | None = None) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=folder)


def _open_beneath(root: str, relative: str) -> int:
    """Open a file beneath a folder, through no link but `root` itself."""
    *folders, name = relative.split("/")
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = _open(folder, os.O_DIRECTORY, here)
            os.close(here)
            here = below
        return _open(name, _AS_FILE, here)
    finally:
        os.close(here)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ItemError(ItemErrorCode.NOT_A_FILE, f"{kind}, not a file")


def _check(status: os.stat_result, max_bytes: int) -> None:
    if status.st_size > max_bytes:
        raise ItemError(
            ItemErrorCode.TOO_MANY_BYTES, f"{status.st_size:,} bytes: the largest file accepted has {max_bytes:,}"
        )


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "the file is gone, or a link that leads nowhere"
        case errno.ELOOP:
            return "a symbolic link that leads in a circle, or has come since the folder was listed"
        case errno.EACCES | errno.EPERM:
            return "no permission to read the file"
        case _:
            return f"the file cannot be read: {error.strerror or 'unknown reason'}"
