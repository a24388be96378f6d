"""A watched folder over a real database, store and broker, with a clock of the test's own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.rolling import Rolling, WatchedFolder
from producer.sources import Sources
from producer.unfinished import Request
from shared.errors import StoreUnavailable
from shared.services import Services


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


Watching = Callable[..., WatchedFolder]


@pytest.fixture
def watching(services: Services, folder: Path, clock: Clock) -> Watching:
    """Begin to watch the folder, as a new process would."""

    def begun(**rolling: float) -> WatchedFolder:
        def listed() -> Sources:
            return Sources([folder], recursive=False, max_bytes=1000)

        return WatchedFolder(services, listed, Request(), Rolling(**({"still_seconds": 5.0} | rolling)), clock)

    return begun


def rounds(watched: WatchedFolder, clock: Clock, count: int = 2) -> None:
    for _ in range(count):
        watched.round()
        clock.now += 5.0


def write(path: Path, data: bytes) -> None:
    """Write a file that looks as if it had been there for a while."""
    path.write_bytes(data)
    os.utime(path, (1_000_000_000 + len(data), 1_000_000_000 + len(data)))


def paths_of(services: Services) -> list[list[str]]:
    """The images of all jobs, the oldest job first."""
    jobs = reversed(services.repository.jobs(limit=10))
    return [[item.path for item in services.repository.items(job.id, limit=50)] for job in jobs]


def test_a_file_is_taken_once_and_only_when_it_stands_still(
    services: Services, folder: Path, watching: Watching, clock: Clock
) -> None:
    watched = watching()
    for name in ("a.png", ".b.png", "c.png.part", "notes.txt"):
        write(folder / name, b"bytes")
    watched.round()
    assert (paths_of(services), watched.waiting) == ([], 1)
    clock.now += 5.0
    write(folder / "a.png", b"more bytes")
    rounds(watched, clock, 1)
    assert (paths_of(services), watched.waiting) == ([], 1)
    rounds(watched, clock, 3)
    assert paths_of(services) == [["a.png"]]
    assert (watched.done.taken, watched.done.trouble) == (1, None)


def test_what_was_taken_is_known_to_who_starts_again(
    services: Services, folder: Path, watching: Watching, clock: Clock
) -> None:
    write(folder / "a.png", b"bytes")
    write(folder / "huge.png", b"x" * 1001)
    first = watching()
    rounds(first, clock)
    assert first.done.failed == 1
    assert first.seal() is not None
    again = watching()
    write(folder / "b.png", b"bytes")
    rounds(again, clock, 4)
    assert paths_of(services) == [["a.png", "huge.png"], ["b.png"]]
    write(folder / "a.png", b"exported anew")
    rounds(again, clock, 3)
    assert paths_of(services) == [["a.png", "huge.png"], ["b.png", "a.png"]]


def test_a_job_is_sealed_by_count_and_by_age(
    services: Services, folder: Path, watching: Watching, clock: Clock
) -> None:
    for number in range(5):
        write(folder / f"{number}.png", b"bytes")
    watched = watching(most_images=2)
    rounds(watched, clock)
    assert [len(paths) for paths in paths_of(services)] == [2, 2, 1]
    assert watched.done.sealed == 2
    assert watched.job_id() is not None
    rounds(watching(most_images=2, most_seconds=0.0), clock, 1)
    assert watched.job_id() is None


def test_what_is_away_is_waited_for(
    services: Services, folder: Path, watching: Watching, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.png", b"bytes")
    watched = watching()
    watched.round()
    clock.now += 5.0
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise StoreUnavailable("the store is away")

        patched.setattr(services.store, "put", away)
        watched.round()
    assert watched.done.trouble == "the store is away"
    folder.rename(folder.with_name("unmounted"))
    watched.round()
    assert "no such file or folder" in str(watched.done.trouble)
    folder.with_name("unmounted").rename(folder)
    watched.round()
    assert paths_of(services) == [["a.png"]]
