from pathlib import Path

import pytest

from producer.target import TargetFolder
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
