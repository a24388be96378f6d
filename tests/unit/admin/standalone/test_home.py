import os
import subprocess
import sys
from pathlib import Path

import pytest

from admin.standalone.home import Home, read_secret, write_secret
from admin.standalone.state import State
from shared.errors import ConfigurationError, UsageError


def test_the_folder_is_the_users_alone(tmp_path: Path):
    (tmp_path / "home").mkdir(mode=0o755)
    home = Home(tmp_path / "home")
    home.secret_key()
    home.close()
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert home.secret_key_file.stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_version_wrote_is_made_the_users_alone(tmp_path: Path):
    (tmp_path / "home" / "objects" / "jobs").mkdir(parents=True, mode=0o755)
    for name in ("delineate.sqlite3", "delineate.sqlite3-wal", "objects/jobs/1"):
        (tmp_path / "home" / name).write_text("")
    Home(tmp_path / "home").close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
    assert not [mode for mode in modes.values() if mode & 0o077], modes


def test_a_second_owner_is_told_where_the_first_answers(tmp_path: Path):
    home = Home(tmp_path)
    State(pid=4711, address="http://127.0.0.1:8000").save(home.state_file)
    with pytest.raises(UsageError, match=r"already runs .* at http://127.0.0.1:8000 \(process 4711\)"):
        Home(tmp_path)
    home.close()
    Home(tmp_path).close()


def test_the_lock_ends_with_a_killed_owner_although_its_child_lives(tmp_path: Path):
    # The child holds whatever descriptors it was given, as a part of the stack would.
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; from pathlib import Path; from admin.standalone.home import Home\n"
            "Home(Path(sys.argv[1])); print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout
        child = int(owner.stdout.readline())
        try:
            with pytest.raises(UsageError):
                Home(tmp_path)
            owner.kill()
            owner.wait()
            Home(tmp_path).close()
        finally:
            os.kill(child, 9)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Home(tmp_path / "file" / "home")


def test_the_secret_key_stays_the_same(tmp_path: Path):
    home = Home(tmp_path)
    key = home.secret_key()
    assert len(key) >= 32
    assert home.secret_key() == key
    home.close()


def test_a_secret_is_replaced_whole_and_readable_by_the_user_alone(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    write_secret(file, "new")
    assert read_secret(file) == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_secret(tmp_path / "none") == ""


def test_remove_leaves_nothing(tmp_path: Path):
    home = Home(tmp_path / "home")
    home.remove()
    assert list(tmp_path.iterdir()) == []
