"""Point tables that come again: a submission that goes on, a folder that is watched."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from producer.cli import main
from producer.points.drawing import DotChoice
from producer.points.sources import PointChoice, PointSources
from producer.rolling import Rolling, WatchedFolder
from producer.unfinished import Request
from shared.flows.submission import SubmissionProgress, submit_images
from shared.point_frame import PointFrame
from shared.services import Services

CHOICE = PointChoice(("x", "y", "weight"), DotChoice())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    return folder


@pytest.fixture
def sources(folder: Path) -> Callable[[], PointSources]:
    return lambda: PointSources([folder], CHOICE, recursive=False, max_bytes=10**6)


def write(path: Path, points: int, when: int = 1_000_000_000) -> None:
    """Write a table that looks as if it had been there for a while."""
    path.write_text("x,y\n" + "".join(f"{x},{x * x}\n" for x in range(points)))
    os.utime(path, (when, when))


def taken(services: Services) -> list[tuple[str, int | None]]:
    """The images of all jobs, the oldest job first, and how many points each was drawn of; None of one that failed."""
    items = [
        item
        for job in reversed(services.repository.jobs(limit=9))
        for item in services.repository.items(job.id, limit=9)
    ]
    frames = [PointFrame.of_described(item.described) for item in items]
    return [(item.path, frame and frame.points) for item, frame in zip(items, frames, strict=True)]


def test_a_submission_goes_on_with_what_it_has(
    own_services: Services, folder: Path, sources: Callable[[], PointSources]
) -> None:
    write(folder / "a.csv", 5)
    write(folder / "b.csv", 6)
    done: list[SubmissionProgress] = []

    def submit() -> SubmissionProgress:
        key = Request().key(sources())
        submit_images(
            own_services, sources(), name="tables", submitted_by="ana", submission_key=key, on_progress=done.append
        )
        return done[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("shared.flows.submission.seal", lambda *_: None)  # the command was ended just before
        assert submit().files == 2
    write(folder / "b.csv", 7, when=1_000_000_007)
    again = submit()
    assert (again.files, again.changed) == (2, 1)
    assert taken(own_services) == [("a.csv.tif", 5), ("b.csv.tif", 7)]


def test_tables_that_appear_are_taken_once(
    own_services: Services, folder: Path, sources: Callable[[], PointSources]
) -> None:
    now = 0.0

    def rounds(watched: WatchedFolder, count: int = 3) -> None:
        nonlocal now
        for _ in range(count):
            watched.round()
            now += 5.0

    def watching() -> WatchedFolder:
        return WatchedFolder(own_services, sources, Request(), Rolling(), lambda: now)

    write(folder / "a.csv", 5)
    write(folder / "wrong.csv", 0)
    (folder / "notes.txt").write_text("x,y\n1,2\n")
    first = watching()
    rounds(first, 1)
    assert (taken(own_services), first.waiting) == ([], 2)
    rounds(first, 5)
    assert taken(own_services) == [("a.csv.tif", 5), ("wrong.csv.tif", None)]
    assert (first.done.taken, first.done.failed, first.waiting, first.done.trouble) == (2, 1, 0, None)

    again = watching()  # as a new process would
    rounds(again)
    assert (again.done.taken, again.waiting) == (0, 0)
    write(folder / "wrong.csv", 0, when=1_000_000_005)  # written to, and wrong still
    rounds(again)
    assert (again.done.taken, again.done.failed, again.waiting) == (1, 1, 0)
    write(folder / "wrong.csv", 8, when=1_000_000_009)
    rounds(again)
    assert (again.done.taken, again.done.failed, again.waiting) == (2, 1, 0)
    assert taken(own_services) == [("a.csv.tif", 5), ("wrong.csv.tif", 8)]


@pytest.mark.usefixtures("own_home")
def test_a_prefix_of_tables_is_refused_by_name() -> None:
    done = CliRunner().invoke(main, ["watch-folder", "s3://bucket/tables", "--points"])
    assert done.exit_code == 2
    assert "--points needs the files" in " ".join(done.output.split())
