from pathlib import Path

import pytest

from shared.files import replacing


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text("old")
    with replacing(path, mode=0o600) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_one_is_there_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "state.json"
    path.write_text("old")

    def write_half_of_it() -> None:
        with replacing(path) as aside:
            aside.write_text("ne")
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half"):
        write_half_of_it()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
