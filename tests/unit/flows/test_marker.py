from pathlib import Path

import pytest

from shared.flows.exports.marker import MARKER, ResultsMarker, is_results_folder, occupied, read_marker


def test_a_marker_comes_back(tmp_path: Path) -> None:
    marker = ResultsMarker("0199-ab", 'two "words"\n')
    (tmp_path / MARKER).write_bytes(marker.to_bytes())
    assert read_marker(tmp_path) == marker
    assert is_results_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"job": "1"}', b"\xff"])
def test_a_spoilt_marker_names_no_job_and_still_marks(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MARKER).write_bytes(content)
    assert read_marker(tmp_path) is None
    assert is_results_folder(tmp_path)


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        (b"path,state,error_code,error,width,height,dice\r\n", True),
        (b"path,file,state,error_code,error\r\nx,x,succeeded,,\r\n", True),
        (b"image,score\n", False),
        (b"path,label\n", False),
        (b"", False),
        (b"x" * 100_000, False),
    ],
)
def test_a_table_tells_whether_it_is_ours(tmp_path: Path, header: bytes, ours: bool) -> None:
    (tmp_path / "results.csv").write_bytes(header)
    assert is_results_folder(tmp_path) is ours


def test_a_folder_without_either_is_none(tmp_path: Path) -> None:
    assert not is_results_folder(tmp_path)
    assert not is_results_folder(tmp_path / "missing")
    assert read_marker(tmp_path / "missing") is None


def test_empty_folders_take_no_room(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "a.png").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert occupied(tmp_path, ("empty", "full", "file", "link", "missing")) == ["full", "file", "link"]
