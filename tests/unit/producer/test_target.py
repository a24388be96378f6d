import errno
import os
import time
from pathlib import Path

import pytest

from producer.target import FileRefused, TargetFolder
from shared.errors import UsageError


def write(target: TargetFolder, name: str, data: bytes, modified: float | None = None) -> None:
    with target.writing(name, modified) as path:
        path.write_bytes(data)


def test_files_appear_with_their_folders_and_times(tmp_path: Path) -> None:
    target = TargetFolder(tmp_path / "new" / "folder")
    write(target, "masks/x/line\nbreak.png", b"data", 1_700_000_000.25)
    path = tmp_path / "new" / "folder" / "masks" / "x" / "line\nbreak.png"
    assert path.read_bytes() == b"data"
    assert target.has("masks/x/line\nbreak.png", 1_700_000_000.25)
    assert not target.has("masks/x/line\nbreak.png", 1_700_000_001.25)
    assert not target.has("masks/other.png", 1_700_000_000.25)


def test_a_file_that_was_changed_is_not_taken_for_the_result(tmp_path: Path) -> None:
    target = TargetFolder(tmp_path)
    write(target, "a.png", b"data", 1_700_000_000.0)
    (tmp_path / "a.png").write_bytes(b"da")
    assert not target.has("a.png", 1_700_000_000.0)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = TargetFolder(tmp_path)
    write(target, "a.png", b"old")

    def interrupted(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), target.writing("a.png") as path:
        interrupted(path)
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(b"theirs")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "masks").symlink_to(outside)
    (folder / "a.png").symlink_to(outside / "a.png")
    target = TargetFolder(folder)
    with pytest.raises(UsageError, match="leads out of"):
        write(target, "masks/a.png", b"ours")
    write(target, "a.png", b"ours")  # replaces the link itself
    assert (outside / "a.png").read_bytes() == b"theirs"
    assert (folder / "a.png").read_bytes() == b"ours"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot write .*file"):
        TargetFolder(tmp_path / "file")
    with pytest.raises(UsageError, match=r"cannot write .*folder"):
        TargetFolder(tmp_path / "file" / "folder")


class Stick:
    """What the operating system says of a file system that is not Linux's own, at the calls that a download makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def refuses_times(self, number: int) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise OSError(number, os.strerror(number))

        self.monkeypatch.setattr(os, "utime", refuse)

    def keeps_times_by(self, seconds: int) -> None:
        real = os.utime

        def coarse(path: Path, times: tuple[float, float] | None = None) -> None:
            real(path, times and tuple(time // seconds * seconds for time in times))

        self.monkeypatch.setattr(os, "utime", coarse)

    def refuses_names(self, part: str, number: int) -> None:
        real = os.rename

        def refuse(source: Path, name: Path, **options: object) -> None:
            if part in str(name):
                raise OSError(number, os.strerror(number))
            real(source, name)

        self.monkeypatch.setattr(os, "replace", refuse)


@pytest.fixture
def stick(monkeypatch: pytest.MonkeyPatch) -> Stick:
    return Stick(monkeypatch)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_folder_that_takes_no_times_gets_the_files(tmp_path: Path, stick: Stick, number: int) -> None:
    stick.refuses_times(number)
    target = TargetFolder(tmp_path)
    target.mark("mark", b"mine")
    before = time.time() - 100
    write(target, "a.png", b"data", before)
    assert (tmp_path / "a.png").read_bytes() == b"data"
    assert target.has("a.png", before)
    assert not target.has("a.png", time.time() + 100)  # the result came after this file
    assert not target.has("b.png", before)


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_folder_that_keeps_whole_seconds_knows_its_files(tmp_path: Path, stick: Stick, seconds: int) -> None:
    stick.keeps_times_by(seconds)
    target = TargetFolder(tmp_path)
    target.mark("mark", b"mine")
    write(target, "a.png", b"data", 1_700_000_001.75)
    assert target.has("a.png", 1_700_000_001.75)
    assert not target.has("a.png", 1_700_000_004.75)


def test_finding_out_about_times_leaves_none_behind(tmp_path: Path) -> None:
    target = TargetFolder(tmp_path)
    target.mark("mark", b"mine")
    assert (tmp_path / "mark").read_bytes() == b"mine"
    assert abs((tmp_path / "mark").stat().st_mtime - time.time()) < 3600
    assert list(tmp_path.iterdir()) == [tmp_path / "mark"]
    write(target, "a.png", b"data", 1_700_000_000.25)
    assert not target.has("a.png", 1_700_000_001.25)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.EACCES, errno.ENOENT])
def test_a_name_that_is_not_taken_is_refused_alone(tmp_path: Path, stick: Stick, number: int) -> None:
    stick.refuses_names("b?", number)
    target = TargetFolder(tmp_path)
    with pytest.raises(FileRefused) as refused:
        write(target, "masks/b?.png", b"data")
    assert refused.value.reason == os.strerror(number)
    write(target, "masks/c.png", b"data")
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["c.png"]


def test_a_name_too_long_is_refused_alone_wherever_it_stands(tmp_path: Path) -> None:
    target = TargetFolder(tmp_path)
    for name in ("x" * 256, "x" * 256 + "/a.png", "d/" * 3000 + "a.png"):
        assert not target.has(name, 1.0)
        with pytest.raises(FileRefused, match="File name too long"):
            write(target, name, b"data")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_what_hits_all_files_is_no_refusal_of_one(tmp_path: Path, stick: Stick, number: int) -> None:
    stick.refuses_names("a.png", number)
    with pytest.raises(UsageError, match=os.strerror(number)) as error:
        write(TargetFolder(tmp_path), "a.png", b"data")
    assert not isinstance(error.value, FileRefused)
    assert ("free some" in str(error.value)) is (number in (errno.ENOSPC, errno.EDQUOT))
