"""The data folder of an embedded stack: one owner at a time, secrets that only the user can read.

delineate.sqlite3   the database             logs/           what each part printed
objects/            sources, masks …         standalone.json address and processes of the running stack
broker/             the queue's own file     standalone.lock held while a stack runs
broker.sock         the queue's address      secret-key, admin-password
"""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from admin.standalone.state import State
from shared.errors import ConfigurationError, UsageError
from shared.files import replacing

PRIVATE = 0o077
"""The umask under which the stack runs: all its files are for its user alone."""


class Home:
    """The folder, locked for this process until `close` or until the process ends, by kill -9 too."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be and lock it.

        Raises:
            UsageError: another stack runs here; the line says where it answers.
            ConfigurationError: the folder cannot be used.
        """
        self.path = path
        self.logs = path / "logs"
        self.broker = path / "broker"
        self.state_file = path / "standalone.json"
        self.password_file = path / "admin-password"
        self.secret_key_file = path / "secret-key"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            self._lock = os.open(path / "standalone.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"DELINEATE_HOME {path} cannot be used: {error.strerror}") from error
        try:
            # The kernel lets go of it with the process, however that ends. Children do not inherit it.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise UsageError(_running_line(path, State.load(self.state_file))) from error
        self.logs.mkdir(exist_ok=True)
        self.broker.mkdir(exist_ok=True)
        _make_private(path)

    def secret_key(self) -> str:
        """Return the key that signs session cookies, made at the first start."""
        key = read_secret(self.secret_key_file)
        if not key:
            key = secrets.token_urlsafe(48)
            write_secret(self.secret_key_file, key)
        return key

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def remove(self) -> None:
        """Let go of the folder and delete it with all that is in it."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _make_private(folder: Path) -> None:
    """Take the rights of others from what earlier versions wrote; what lies deeper is behind these folders."""
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode & 0o777
            if mode & PRIVATE and not entry.is_symlink() and not entry.name.endswith(".sock"):
                with suppress(OSError):  # somebody else's, in a folder that is ours
                    Path(entry.path).chmod(mode & ~PRIVATE)


def read_secret(path: Path) -> str:
    """Return the secret in the file, or nothing where there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def write_secret(path: Path, secret: str) -> None:
    """Write a file that the user alone can read, complete or not at all."""
    with replacing(path, mode=0o600) as aside:
        aside.write_text(secret + "\n")


def _running_line(path: Path, state: State) -> str:
    where = f"at {state.address}" if state.address else "and is just starting"
    return f"a stack already runs in {path} {where} (process {state.pid}): use that one, or stop it with Ctrl-C first"
