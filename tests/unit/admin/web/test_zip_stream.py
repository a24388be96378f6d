"""The zip of an export, made while it is sent; and the folder on disk, which gets the same files."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from admin.web.delivery.zip_stream import zip_stream
from producer.display import Display
from producer.download import download
from shared.errors import StoreUnavailable
from shared.flows.exports.export import ExportFile, Lack, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import MANIFEST, Exporting
from shared.flows.exports.marker import MARKER
from shared.flows.exports.registry import EXPORTS
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from shared.store.memory import MemoryStore
from tests import simulated_worker

NAMES = (
    "plain.png",
    "two words.png",
    "ünï/漢字 🦠.png",
    'quo"te\n\r.png',
    "back\\slash.png",
    "e\u0301.png",
    "\u202ex.png",
)
TIME = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC).timestamp()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore("zip")
    store.put("k", b"stored")
    return store


def stored(name: str, key: str = "k") -> StoredFile:
    return StoredFile(name, key, TIME)


def zipped(files: list[ExportFile], store: MemoryStore) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files, store, modified=TIME + 60, lacks=unexpected))))
    assert archive.testzip() is None
    return archive


def unexpected(lack: Lack) -> None:
    raise AssertionError(lack)


def test_names_and_times_come_back(store: MemoryStore) -> None:
    archive = zipped([*map(stored, NAMES), WrittenFile("täble.csv", lambda: [b"a,", b"b"])], store)
    assert archive.namelist() == [*NAMES, "täble.csv"]
    assert archive.read(NAMES[2]) == b"stored"
    assert archive.read("täble.csv") == b"a,b"
    assert archive.getinfo(NAMES[0]).date_time == (2026, 3, 4, 5, 6, 8)
    assert archive.getinfo("täble.csv").date_time == (2026, 3, 4, 5, 7, 8)


@pytest.mark.parametrize(
    ("modified", "told"),
    [
        (-1e9, (1980, 1, 1, 0, 0, 0)),
        (86_400.0, (1980, 1, 1, 0, 0, 0)),
        (5e9, (2107, 12, 31, 23, 59, 58)),
        (4_354_819_198.9, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_a_time_that_zip_does_not_know_is_its_first_or_last(
    store: MemoryStore, modified: float, told: tuple[int, ...]
) -> None:
    stream = zip_stream(
        [StoredFile("a", "k", modified), WrittenFile("b", lambda: [b"x"])], store, modified=modified, lacks=unexpected
    )
    archive = zipfile.ZipFile(io.BytesIO(b"".join(stream)))
    assert [info.date_time for info in archive.infolist()] == [told, told]


def test_without_files_it_is_an_empty_zip(store: MemoryStore) -> None:
    assert zipped([], store).namelist() == []


def test_more_and_larger_files_than_the_first_zips_could_hold(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    store.put("large", bytes(2000))
    written = WrittenFile("written", lambda: [bytes(1500), b"end"])
    archive = zipped([stored("a"), stored("large", "large"), stored("b"), written], store)
    monkeypatch.undo()
    assert [len(archive.read(name)) for name in archive.namelist()] == [6, 2000, 6, 1503]


def test_large_text_is_sent_while_it_is_made(store: MemoryStore) -> None:
    made = []

    def blocks() -> Iterator[bytes]:
        for number in range(2000):
            made.append(number)
            yield bytes((number * k) % 251 for k in range(1000))

    stream = zip_stream([WrittenFile("t", blocks)], store, modified=TIME, lacks=unexpected)
    assert len(next(stream)) > 2**17
    assert 0 < len(made) < 2000
    stream.close()


def test_it_takes_no_more_files_than_it_needs(store: MemoryStore) -> None:
    taken = []

    def endless() -> Iterator[StoredFile]:
        while True:
            taken.append(stored(f"{len(taken)}"))
            yield taken[-1]

    stream = zip_stream(endless(), store, modified=TIME, lacks=unexpected)
    for _ in range(100):
        next(stream)
    assert len(taken) < 120
    stream.close()


def test_what_is_lost_is_named_at_the_end(store: MemoryStore) -> None:
    lacking: list[Lack] = []
    long = "/".join("n" * 250 for _ in range(300))
    files = [
        stored("a"),
        stored("gone", "g"),
        stored("b"),
        stored(long),
        WrittenFile("told", lambda: [b"%d" % len(lacking)]),
    ]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files, store, modified=TIME, lacks=lacking.append))))
    assert archive.namelist() == ["a", "b", "told"]
    assert [(lack.file, lack.lost) for lack in lacking] == [("gone", True), (long, False)]
    assert archive.read("told") == b"2"


def test_a_store_that_goes_away_leaves_no_whole_zip() -> None:
    class Failing(MemoryStore):
        def get(self, key: str) -> bytes:
            if key == "away":
                raise StoreUnavailable("the store does not answer")
            return b"fine"

    stream = zip_stream([stored("a"), stored("b", "away"), stored("c")], Failing("f"), modified=TIME, lacks=unexpected)
    sent = [next(stream)]
    with pytest.raises(StoreUnavailable):
        sent.extend(stream)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(sent)))


def test_closing_it_ends_the_fetching() -> None:
    fetched, go_on = [], Event()

    class Waiting(MemoryStore):
        def get(self, key: str) -> bytes:
            fetched.append(key)
            if key != "0":
                go_on.wait()
            return b"x"

    stream = zip_stream([stored(f"{n}", f"{n}") for n in range(100)], Waiting("w"), modified=TIME, lacks=unexpected)
    next(stream)
    go_on.set()
    stream.close()
    assert len(fetched) <= 10


def test_a_folder_gets_the_same_files(services: Services, tmp_path: Path) -> None:
    job_id = submit_synthetic(services, SyntheticSpec(3), name="x", submitted_by="ana")
    simulated_worker.process(services, job_id)
    job, export = services.repository.job(job_id), EXPORTS["results"]
    done = download(services, job, export, tmp_path / "out", Display())
    assert (done.fetched, done.kept, done.missing, done.made) == (12, 0, 0, ("results.csv", "manifest.json"))
    exporting = Exporting(export, JobResults(services.repository, services.store, job))
    archive = zipfile.ZipFile(
        io.BytesIO(b"".join(zip_stream(exporting.files(), services.store, modified=TIME, lacks=unexpected)))
    )
    paths = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != MARKER]
    written = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in paths}
    assert written.keys() == set(archive.namelist())
    told = [json.loads(manifest) for manifest in (written.pop(MANIFEST), archive.read(MANIFEST))]
    assert [manifest.pop("made_at")[:2] for manifest in told] == ["20", "20"]
    assert told[0] == told[1]
    assert all(written[name] == archive.read(name) for name in written)
    assert len(paths) == exporting.count
