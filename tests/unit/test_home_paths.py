"""The broker's socket: under the home, or where that is too long in a folder that nobody else can have."""

import os
import tempfile
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.home_paths import broker_socket, leave_socket_folder, make_socket_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_short_path_is_under_the_home(temporary: Path) -> None:
    assert broker_socket(Path("/home/ana/.delineate")) == Path("/home/ana/.delineate/broker.sock")


def test_a_long_path_is_in_a_folder_of_the_users_own(temporary: Path) -> None:
    home = Path("/" + "x" * 120)
    socket = broker_socket(home)
    make_socket_folder(socket)
    assert socket.parent.parent == temporary
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert broker_socket(home) == socket  # and so for every part
    socket.touch()
    other = socket.with_name("other.sock")
    other.touch()
    leave_socket_folder(socket, home)
    assert list(socket.parent.iterdir()) == [other]
    other.unlink()
    leave_socket_folder(socket, home)
    assert not socket.parent.exists()
    assert broker_socket(Path("/" + "y" * 120)) != socket


@pytest.mark.parametrize("trap", ["open to others", "a link", "a file", "somebody else's"])
def test_what_somebody_else_may_have_put_there_is_refused(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    folder = temporary / f"delineate-{os.getuid()}"
    if trap == "a link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    elif trap == "a file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
        if trap == "open to others":
            folder.chmod(0o755)
        else:
            me = os.getuid()
            folder = folder.rename(temporary / f"delineate-{me + 1}")
            monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(ConfigurationError, match="not this user's alone"):
        broker_socket(Path("/" + "x" * 120))
