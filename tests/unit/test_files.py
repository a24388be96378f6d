import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_that_the_block_puts_there_gets_the_permissions_too(tmp_path: Path, durable: bool):
    path, own = tmp_path / "state.json", tmp_path / "own"
    with replacing(path, mode=0o640, durable=durable) as aside:
        own.touch(0o600)
        own.write_text("new")
        own.replace(aside)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_umask_is_respected(tmp_path: Path):
    before = os.umask(0o077)
    try:
        with replacing(tmp_path / "state.json", mode=0o666) as aside:
            aside.write_text("new")
    finally:
        os.umask(before)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_threads_that_write_one_file_at_once_do_not_meet(tmp_path: Path):
    path, all_inside = tmp_path / "state.json", Barrier(4, timeout=60)

    def write(text: str) -> None:
        with replacing(path) as aside:
            aside.write_text(text)
            all_inside.wait()
            assert aside.read_text() == text

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, "abcd"))
    assert path.read_text() in tuple("abcd")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_the_longest_name_can_be_written(tmp_path: Path):
    with replacing(tmp_path / ("n" * 255)) as aside:
        aside.write_text("new")
    assert (tmp_path / ("n" * 255)).read_text() == "new"


@pytest.mark.parametrize(("durable", "flushes"), [(True, 1), (False, 0)])
def test_only_a_durable_file_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, flushes: int):
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with replacing(tmp_path / "state.json", durable=durable) as aside:
        aside.write_text("new")
    assert len(flushed) == flushes
