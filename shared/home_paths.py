"""Where the parts of the embedded stack lie under DELINEATE_HOME, as paths and as the addresses that name them.

A path may hold any character that a file system takes, so it is quoted wherever it becomes part of a URL.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from shared.errors import ConfigurationError

# The kernel's limit for the path of a Unix socket is 108 bytes, the closing NUL included.
_MAX_SOCKET_PATH_LENGTH = 100


def database_url(home: Path) -> str:
    """Return SQLAlchemy's URL of the database."""
    return f"sqlite:///{quote(str(home / 'delineate.sqlite3'))}"


def broker_url(socket: Path) -> str:
    """Return Celery's URL of the broker."""
    return f"redis+socket://{quote(str(socket))}"


def broker_socket(home: Path) -> Path:
    """Return the path of the broker's socket: under the home, or where that is too long in a folder of the user's own.

    Raises:
        ConfigurationError: somebody else has that folder, and could answer in the broker's place.
    """
    socket = home / "broker.sock"
    if len(os.fsencode(socket)) <= _MAX_SOCKET_PATH_LENGTH:
        return socket
    folder = Path(tempfile.gettempdir()) / f"delineate-{os.getuid()}"
    if os.path.lexists(folder) and not _is_private(folder):
        raise ConfigurationError(f"{folder} is not this user's alone: remove it, or use a shorter DELINEATE_HOME")
    return folder / f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}.sock"


def make_socket_folder(socket: Path) -> None:
    """Make the folder of a socket, which nobody else may enter, where it is not there yet.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the folder {socket.parent} cannot be made: {error.strerror}") from error


def leave_socket_folder(socket: Path, home: Path) -> None:
    """Remove a socket that nobody listens on any more, and its folder where that is not the home and now empty."""
    with suppress(OSError):
        socket.unlink(missing_ok=True)
        if socket.parent != home:
            socket.parent.rmdir()


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and not found.st_mode & 0o077
