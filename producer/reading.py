"""Reading one file to submit: regular files alone, within the submitted folder, within the size accepted.

Each function is the `read` of a `shared.flows.submission.Source`: it gives the bytes, or raises the ItemError that
becomes the item's failure.
"""

import errno
import os
import stat
from typing import NoReturn

from shared.errors import ItemError, ItemErrorCode

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
}


def read_file(path: str, *, root: str | None, max_bytes: int) -> bytes:
    """Return the bytes of the file at `path`; a link is followed as long as it stays inside `root`.

    `root` is None for a file that the user has named: its links are followed wherever they lead.
    Only a regular file is opened, and in a way that does not wait even if it is swapped for a pipe just then.

    Raises:
        ItemError: `unreadable`, `symlink_outside`, `not_a_file` or `too_many_bytes`.
    """
    try:
        if root is None or os.path.islink(path):
            path = _resolved(path, root)
        _check(os.stat(path, follow_symlinks=False), max_bytes)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check(status, max_bytes)
            return file.read(status.st_size)
    except OSError as error:
        raise ItemError(ItemErrorCode.UNREADABLE, _reason(error)) from error


def bad_name() -> NoReturn:
    """Raise the failure of a file whose name cannot be kept."""
    raise ItemError(ItemErrorCode.BAD_NAME, "the path is not valid UTF-8, or longer than 2,000 bytes: rename the file")


def unreadable_folder() -> NoReturn:
    """Raise the failure that stands for the files of a folder that cannot be listed."""
    raise ItemError(ItemErrorCode.UNREADABLE, "the folder cannot be read: check its permissions")


def _resolved(path: str, root: str | None) -> str:
    target = os.path.realpath(path, strict=True)
    if root is not None:
        real_root = os.path.realpath(root)
        if os.path.commonpath([target, real_root]) != real_root:
            raise ItemError(ItemErrorCode.SYMLINK_OUTSIDE, "a symbolic link that leads out of the submitted folder")
    return target


def _check(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ItemError(ItemErrorCode.NOT_A_FILE, f"{kind}, not a file")
    if status.st_size > max_bytes:
        raise ItemError(
            ItemErrorCode.TOO_MANY_BYTES, f"{status.st_size:,} bytes: the largest file accepted has {max_bytes:,}"
        )


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "the file is gone, or a link that leads nowhere"
        case errno.ELOOP:
            return "a symbolic link that leads in a circle"
        case errno.EACCES | errno.EPERM:
            return "no permission to read the file"
        case _:
            return f"the file cannot be read: {error.strerror or 'unknown reason'}"
