"""SQLite on a disk of another machine is told in one line, or refused where it cannot work."""

from pathlib import Path

import pytest
from sqlalchemy.engine.interfaces import DBAPIConnection

from shared.db import network_disk as module
from shared.db.database import Database, _prepare_sqlite
from shared.db.migrate import migrate
from shared.db.network_disk import network_disk
from shared.errors import ConfigurationError


def mounts(folder: Path, *entries: tuple[str, str]) -> Path:
    lines = [
        f"{number} 1 0:{number} / {point} rw,relatime shared:1 - {kind} source rw"
        for number, (point, kind) in enumerate(entries, start=20)
    ]
    (folder / "mountinfo").write_text("\n".join(lines) + "\n")
    return folder / "mountinfo"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse", "ceph", "virtiofs"])
def test_a_disk_of_another_machine(tmp_path: Path, kind: str) -> None:
    table = mounts(tmp_path, ("/", "ext4"), ("/mnt/a\\040b", kind), ("/mnt/a\\040b/local", "xfs"))
    assert network_disk(Path("/mnt/a b/home"), mounts=table) == kind
    assert network_disk(Path("/mnt/a b"), mounts=table) == kind
    assert network_disk(Path("/mnt/a bc"), mounts=table) is None
    assert network_disk(Path("/mnt/a b/local/x"), mounts=table) is None


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs", "btrfs", "fuseblk", "fuse.fuse-overlayfs", "zfs"])
def test_a_disk_of_this_machine(tmp_path: Path, kind: str) -> None:
    assert network_disk(Path("/mnt/x"), mounts=mounts(tmp_path, ("/", "ext4"), ("/mnt", kind))) is None


def test_nobody_knows(tmp_path: Path) -> None:
    assert network_disk(tmp_path, mounts=tmp_path / "none") is None


def test_it_is_told_where_the_tables_are_made(tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "_KINDS", module.re.compile(".*"))
    monkeypatch.setattr(module, "_LOCAL_FUSE", module.re.compile("never"))
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    migrate(database)
    database.close()
    [warning] = [record.message for record in caplog.records if "network disk" in record.message]
    assert "DELINEATE_HOME" in warning
    assert "\n" not in warning


def test_without_shared_memory_it_is_refused() -> None:
    class Cursor:
        def execute(self, _statement: str) -> "Cursor":
            return self

        def fetchone(self) -> list[str]:
            return ["delete"]

    class Connection:
        isolation_level = None

        def cursor(self) -> Cursor:
            return Cursor()

    connection: DBAPIConnection = Connection()  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="DELINEATE_HOME on a disk of this machine"):
        _prepare_sqlite(connection, None)
