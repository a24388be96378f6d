import errno
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, ObjectMissing, StoreFull, StoreUnavailable, UsageError
from shared.store import ObjectStore, open_store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> ObjectStore:
    store = open_store(root.as_uri())
    store.prepare()
    return store


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_name_with_a_space_and_a_percent_sign_survives_the_url(tmp_path: Path):
    root = tmp_path / "my 100%25 objects#1"
    store = open_store(root.as_uri())
    store.prepare()
    store.check()
    assert files(root) == ["health/check"]
    assert open_store(store.url).get("health/check")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StoreFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StoreFull),
        (OSError(errno.EIO, "Input/output error"), StoreUnavailable),
        (PermissionError(13, "Permission denied"), ConfigurationError),
    ],
)
def test_a_write_that_fails_leaves_the_old_object_and_no_litter(
    store: ObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError, error: type[Exception]
):
    store.put("a/b", b"old")

    def fail(_: int) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(error, match=f"(?i){failure.strerror}"):
            store.put("a/b", b"new")
    assert store.get("a/b") == b"old"
    assert files(root) == ["a/b"]


def test_a_reader_sees_whole_versions_only(store: ObjectStore):
    versions = {bytes([n]) * 50_000 for n in range(4)}
    store.put("a/b", min(versions))
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(store.put, "a/b", version) for _ in range(25) for version in versions]
        while not all(write.done() for write in writes):
            assert store.get("a/b") in versions
        for write in writes:
            write.result()


def test_what_a_killed_writer_left_is_no_object_and_goes_at_a_later_start(store: ObjectStore, root: Path):
    store.put("a/b", b"x")
    old, new = root / ".writing/killed", root / ".writing/at-work"
    old.write_bytes(b"half a ma")
    new.write_bytes(b"half a ma")
    os.utime(old, (0, 0))
    assert [info.key for info in store.list()] == ["a/b"]
    store.prepare()
    assert files(root) == [".writing/at-work", "a/b"]


def test_deleting_a_prefix_takes_the_empty_folders_and_no_others(store: ObjectStore, root: Path):
    for key in ("jobs/7/mask/1", "jobs/7/prob/1", "jobs/70/mask/1"):
        store.put(key, b"x")
    store.delete_prefix("jobs/7/")
    assert [path.name for path in (root / "jobs").iterdir()] == ["70"]
    assert root.is_dir()


def test_writing_goes_on_while_the_prefix_is_being_deleted(store: ObjectStore):
    with ThreadPoolExecutor(2) as pool:
        writes = [pool.submit(store.put, f"jobs/7/{n % 5}/{n}", b"x") for n in range(200)]
        while not all(write.done() for write in writes):
            store.delete_prefix("jobs/7/")
        for write in writes:
            write.result()


def test_a_key_cannot_be_the_folder_of_another(store: ObjectStore):
    store.put("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(UsageError, match="folder"):
            store.put(key, b"x")
        with pytest.raises(ObjectMissing):
            store.get(key)


def test_a_symbolic_link_does_not_lead_out(store: ObjectStore, root: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for action in (
        lambda: store.get("link/secret"),
        lambda: store.get("file"),
        lambda: store.size("file"),
        lambda: store.put("link/new", b""),
        lambda: store.delete(["link/secret"]),
    ):
        with pytest.raises(UsageError, match="symbolic link"):
            action()
    for action in (lambda: store.list("link/"), lambda: store.delete_prefix("link/")):
        with pytest.raises(UsageError, match="symbolic link"):
            action()
    assert list(store.list()) == []
    assert files(outside) == ["secret"]


def test_the_root_itself_may_be_a_symbolic_link(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "objects").symlink_to(tmp_path / "disk")
    store = open_store((tmp_path / "objects").as_uri())
    store.put("a/b", b"x")
    assert store.get("a/b") == b"x"
    assert files(tmp_path / "disk") == ["a/b"]


def test_a_root_that_is_gone_is_not_made_anew(root: Path):
    store = open_store(root.as_uri())
    with pytest.raises(ConfigurationError, match="STORE_URL"):
        store.check()
    with pytest.raises(StoreUnavailable, match="not there"):
        store.put("a/b", b"x")
    with pytest.raises(StoreUnavailable, match="not there"):  # not ObjectMissing: the disk may come back
        store.get("a/b")
    with pytest.raises(StoreUnavailable, match="not there"):
        store.exists("a/b")
    for listing in (store.list("a/"), store.folders("a/")):
        with pytest.raises(StoreUnavailable, match="not there"):
            next(listing)
    assert not root.exists()


def test_what_a_desktop_leaves_in_the_folder_is_no_object(store: ObjectStore, root: Path):
    store.put("jobs/7/mask", b"x")
    for name in (".DS_Store", "jobs/.DS_Store", "jobs/7/.DS_Store", "jobs/7/My picture.png", "jobs/.Trash-0/7/mask"):
        root.joinpath(name).parent.mkdir(exist_ok=True, parents=True)
        root.joinpath(name).write_bytes(b"y")
    assert [info.key for info in store.list()] == ["jobs/7/mask"]
    assert list(store.folders("jobs/")) == ["jobs/7/"]
    store.delete_prefix("jobs/7/")
    assert not root.joinpath("jobs/7").exists()


def test_a_store_in_a_folder_needs_no_s3_client():
    program = (
        "import sys; from shared.store import open_store; open_store('file:///tmp/x'); print('boto3' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "False\n"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; only root may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_harms_nothing_and_work_goes_on_when_there_is_room(small_disk: Path):
    store = open_store((small_disk / "objects").as_uri())
    store.prepare()
    stored: dict[str, bytes] = {}
    with pytest.raises(StoreFull, match="free some space"):  # noqa: PT012 - one of many writes
        for number in range(100):
            data = secrets.token_bytes(50_000)
            store.put(f"a/{number}", data)
            stored[f"a/{number}"] = data
    assert stored
    assert {info.key: info.size for info in store.list()} == {key: len(data) for key, data in stored.items()}
    assert all(store.get(key) == data for key, data in stored.items())
    store.delete(["a/0"])
    store.put("a/new", stored["a/0"])
    store.check()
