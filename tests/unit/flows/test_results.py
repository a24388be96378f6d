import csv
import io
import posixpath
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db.database import Database
from shared.db.tables.base import new_id
from shared.errors import ItemErrorCode, UsageError
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.names import job_output_names, output_names
from shared.flows.exports.registry import EXPORTS
from shared.flows.exports.results import result_files
from shared.flows.exports.table import RESULT_COLUMNS, result_row, results_csv
from shared.flows.items import all_items
from shared.formulas import original
from shared.jobs.claims import Claims
from shared.jobs.records import Failure, Item, NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind
from shared.portable import folded, portable_name
from shared.store.memory import MemoryStore
from tests.outcomes import success
from tests.prepared_tables import make_tables

# Few names, so that they fall together often.
_name = st.lists(
    st.sampled_from(["a", "A", ".png", ".jpg", ".PNG", " ", ":", "?", "\u00e9", "e\u0301", "E\u0301", "ß", "con"]),
    min_size=1,
    max_size=5,
).map("".join)
_paths = st.lists(_name, min_size=1, max_size=3).map("/".join)


def _is_file_system(paths: set[str]) -> bool:
    """Whether these files can exist side by side: none is a folder of another."""
    return not any(folder in paths for path in paths for folder in _folders(path))


def _folders(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


@given(st.sets(_paths, max_size=30).filter(_is_file_system), st.randoms(use_true_random=False))
def test_outputs_are_unique_and_the_same_in_any_order(paths: set[str], shuffling: random.Random) -> None:
    names = output_names(sorted(paths))
    assert names.keys() == paths
    on_any_system = {folded(name) for name in names.values()}
    assert len(on_any_system) == len(paths)
    assert _is_file_system(on_any_system)
    for path, name in names.items():
        assert name.endswith(".png")
        assert [portable_name(part) for part in name.split("/")] == name.split("/")
        assert posixpath.dirname(name) == "/".join(portable_name(part) for part in path.split("/")[:-1])
    shuffled = list(paths)
    shuffling.shuffle(shuffled)
    assert output_names(shuffled) == names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.jpg", "a.png"),
        ("a.png", "a.png"),
        ("scan.final.TIFF", "scan.final.png"),
        ("no extension", "no extension.png"),
        ("x/y/z.bmp", "x/y/z.png"),
        ('line\nbreak "quoted" \u00e9\U0001f600.webp', "line_break _quoted_ \u00e9\U0001f600.png"),
        ("aux.d/con.tif", "_aux.d/_con.png"),
        ("e\u0301.jpg", "\u00e9.png"),
        ("2024-01-01T12:30:00.png", "2024-01-01T12_30_00.png"),
        ("..a.jpg", "..a.png"),
        ("folder.d/name", "folder.d/name.png"),
    ],
)
def test_extension_becomes_png(path: str, name: str) -> None:
    assert output_names([path]) == {path: name}


def test_inputs_that_would_fall_together_keep_their_whole_names() -> None:
    assert output_names(["a.jpg", "a.tif", "b.jpg", "x/a.jpg"]) == {
        "a.jpg": "a.jpg.png",
        "a.tif": "a.tif.png",
        "b.jpg": "b.png",
        "x/a.jpg": "x/a.png",
    }


def test_an_input_called_as_anothers_whole_name_gives_way() -> None:
    assert output_names(["a.jpg", "a.tif", "a.jpg.png", "a.jpg.png.bmp"]) == {
        "a.jpg": "a.jpg.png",
        "a.tif": "a.tif.png",
        "a.jpg.png": "a.jpg.png.png",
        "a.jpg.png.bmp": "a.jpg.png.bmp.png",
    }


def test_an_output_gives_way_to_a_folder_of_its_name() -> None:
    assert output_names(["a.jpg", "a.png/b.jpg"])["a.jpg"] == "a.jpg.png"
    assert output_names(["a.jpg", "A.PNG/b.jpg"])["a.jpg"] == "a.jpg.png"
    assert re.fullmatch(r"a~[0-9a-f]{8}\.png", output_names(["a.jpg", "a.png/b.jpg", "a.jpg.png/c.jpg"])["a.jpg"])


@pytest.mark.parametrize(
    "together",
    [
        ("A.png", "a.png"),
        ("A.png", "a.jpg"),
        ("\u00e9.png", "e\u0301.png", "E\u0301.png"),
        ("a:b.png", "a?b.png", "a_b.png"),
        ("X/a.png", "x/a.png"),
        ("x:/a.png", "x?/a.png"),
        ("STRASSE.png", "stra\u00dfe.png"),
        ("con.png", "_con.png", "CON.jpg"),
        ("-a.png", "_-a.png"),
    ],
)
def test_what_falls_together_elsewhere_is_kept_apart(together: tuple[str, ...]) -> None:
    names = output_names([*together, "beside.png"])
    assert len({folded(name) for name in names.values()}) == len(together) + 1
    assert names["beside.png"] == "beside.png"


def test_names_of_a_pair_do_not_depend_on_the_others() -> None:
    pair = {"A.png", "a.png"}
    alone = output_names(pair)
    among = output_names([*pair, "b.png", "B.tif", "c/a.png"])
    assert {path: among[path] for path in pair} == alone


def test_names_stay_within_what_a_file_system_takes() -> None:
    longest = "\u00e9" * 125
    names = output_names([f"d/{longest}.jpg", f"d/{longest}.tif"])
    assert len(set(names.values())) == 2
    assert all(len(posixpath.basename(name).encode()) <= 255 and name.endswith(".png") for name in names.values())


@pytest.mark.parametrize(
    "path", ["/etc/a.png", "../a.png", "x/../../a.png", "", "x//a.png", "a\0.png", "./a.png", ".."]
)
def test_no_name_leads_out_of_the_folder(path: str) -> None:
    with pytest.raises(UsageError, match="not a relative path"):
        output_names(["fine.png", path])


@pytest.fixture
def job(tmp_path: Path) -> tuple[Repository, str]:
    """A job of four: succeeded, failed in the worker, failed while submitting, pending."""
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite3'}")
    make_tables(database)
    repository = Repository(database)
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t")
    items = [
        NewItem(id=new_id(), path="a.jpg", source_key="s/a"),
        NewItem(id=new_id(), path='q"uote\n\r.png', source_key="s/b"),
        NewItem(id=new_id(), path="link.png", error_code=ItemErrorCode.SYMLINK_OUTSIDE, error="leads out"),
    ]
    shard_id = repository.add_shard(job_id, items)
    repository.add_shard(job_id, [NewItem(id=new_id(), path="later.png", source_key="s/d")])
    claims = Claims(database, lease_seconds=60, max_attempts=3)
    claim = claims.claim(shard_id, worker="w")
    assert claim is not None
    failure = Failure(items[1].id, ItemErrorCode.TRUNCATED, "ends early", 0.5)
    measured = {"foreground": 0.123456789, "confidence": 0.98765, "trust": 0.87654}
    succeeded = success(items[0].id, **measured, model="f" * 64, seconds=1.23456, note="first of 3 pages")
    claims.complete(claim, [succeeded, failure])
    yield repository, job_id
    database.close()


def test_rows_carry_what_is_known(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    record = repository.job(job_id)
    rows = [result_row(*named) for named in JobResults(repository, MemoryStore("results"), record).named()]
    assert all(tuple(row) == RESULT_COLUMNS for row in rows)
    assert rows[0] == {
        "path": "a.jpg", "file": "a.png", "state": "succeeded", "error_code": "", "error": "",
        "width": "640", "height": "480",
        "finding": "found", "foreground": "0.123457", "confidence": "0.9877", "trust": "0.8765", "quality": "",
        "quality_low": "", "familiarity": "", "dice": "", "iou": "", "precision": "", "recall": "", "unfamiliar": "",
        "reason": "", "explanation": "",
        "area": "", "area_um2": "", "objects": "", "pixel_height_um": "", "pixel_width_um": "", "postprocessing": "",
        "model": "f" * 64, "model_name": "", "threshold": "0.5", "seconds": "1.235", "note": "first of 3 pages",
        "grade": "", "grade_note": "", "graded_by": "", "graded_at": "", "corrected_by": "", "corrected_at": "",
    }  # fmt: skip
    assert [(row["state"], row["error_code"]) for row in rows[1:]] == [
        ("failed", "truncated"),
        ("failed", "symlink_outside"),
        ("pending", ""),
    ]
    assert rows[1]["error"] == "ends early"
    assert (rows[1]["width"], rows[1]["file"]) == ("", "")


def test_a_row_says_what_stands_out(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    [found, *_] = all_items(repository, job_id)
    empty = result_row(replace(found, foreground=0.0, reason="nothing_found"), "a.png")
    assert (empty["finding"], empty["unfamiliar"], empty["explanation"]) == (
        "nothing", "", "No shape was found in this picture.",
    )  # fmt: skip
    for familiarity, word in ((0.5, "no"), (0.001, "yes")):
        row = result_row(replace(found, familiarity=familiarity, quality=0.75), "a.png")
        assert (row["finding"], row["unfamiliar"], row["quality"]) == ("found", word, "0.7500")


def test_csv_gives_every_name_back(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    written = b"".join(results_csv((item, "") for item in all_items(repository, job_id)))
    reader = csv.DictReader(io.StringIO(written.decode(), newline=""))
    assert [row["path"] for row in reader] == ["a.jpg", 'q"uote\n\r.png', "link.png", "later.png"]
    assert tuple(reader.fieldnames or ()) == RESULT_COLUMNS


@pytest.mark.parametrize("column", ["path", "error", "note"])
@pytest.mark.parametrize("text", ['=HYPERLINK("http://x","y").png', "+1.png", "-1.png", "@SUM(A1).png", "\t=1", "'=1"])
def test_no_text_of_a_table_is_a_formula(job: tuple[Repository, str], column: str, text: str) -> None:
    repository, job_id = job
    [item, *_] = all_items(repository, job_id)
    written = b"".join(results_csv([(replace(item, **{column: text}), "")]))
    [row] = csv.DictReader(io.StringIO(written.decode(), newline=""))
    assert row[column] == f"'{text}"
    assert original(row[column]) == text


def test_columns_of_a_manifest_come_back_behind_ours(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    items = list(all_items(repository, job_id))
    told = [{"well": "A1", "state": "good", "=x": "=1"}, {"well": "B2", "state": "", "=x": ""}, None]
    described = [(replace(item, described=each), "") for item, each in zip(items, told, strict=False)]
    reader = csv.DictReader(io.StringIO(b"".join(results_csv(described)).decode(), newline=""))
    rows = list(reader)
    assert tuple(reader.fieldnames or ()) == (*RESULT_COLUMNS, "well", "manifest_state", "'=x")
    assert [(row["well"], row["manifest_state"], row["'=x"]) for row in rows] == [
        ("A1", "good", "'=1"), ("B2", "", ""), ("", "", ""),
    ]  # fmt: skip
    assert rows[0]["state"] == "succeeded"


def test_pages_are_invisible(job: tuple[Repository, str], monkeypatch: pytest.MonkeyPatch) -> None:
    repository, job_id = job
    monkeypatch.setattr("shared.flows.items._PAGE_ITEMS", 1)
    monkeypatch.setattr("shared.flows.items._PAGE_PATHS", 1)
    assert [item.number for item in all_items(repository, job_id)] == [0, 1, 2, 3]
    assert job_output_names(repository, job_id) == {
        "a.jpg": "a.png",
        'q"uote\n\r.png': "q_uote__.png",
        "link.png": "link.png",
        "later.png": "later.png",
    }


def _item(**values: object) -> Item:
    return Item(**dict.fromkeys(Item.__dataclass_fields__) | {"path": "a.jpg", **values})  # type: ignore[arg-type]


def test_files_of_an_item() -> None:
    keys = {"mask_key": "m", "probability_key": "p", "source_key": "s", "truth_key": "t"}
    succeeded = _item(state=ItemStatus.SUCCEEDED, finished_at=7.5, **keys)
    of_images = [("m", "masks/a.png"), ("p", "probabilities/a.png")]

    def files(kind: JobKind) -> list[tuple[str, str]]:
        found = list(result_files(succeeded, "a.png", kind))
        assert all(file.modified == 7.5 for file in found)
        return [(file.key, file.name) for file in found]

    assert files(JobKind.IMAGES) == of_images
    assert files(JobKind.SYNTHETIC) == [*of_images, ("s", "sources/a.png"), ("t", "truths/a.png")]


def test_only_what_succeeded_has_files_and_the_table_is_last(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    with repository.database.write() as connection:
        connection.exec_driver_sql("UPDATE items SET mask_key = 'm', probability_key = 'p', truth_key = 't'")
    record = repository.job(job_id)
    files = list(EXPORTS["results"].files(JobResults(repository, MemoryStore("results"), record)))
    assert [file.name for file in files] == ["masks/a.png", "probabilities/a.png", "results.csv"]
    assert len(files) == EXPORTS["results"].count(record)


def test_an_item_that_came_after_the_names_were_read_waits(job: tuple[Repository, str]) -> None:
    repository, job_id = job
    results = JobResults(repository, MemoryStore("results"), repository.job(job_id))
    with repository.database.write() as connection:
        connection.exec_driver_sql("UPDATE items SET path = 'new.jpg' WHERE path = 'a.jpg'")
    assert list(results.succeeded()) == []
    assert next(results.items()).path == "new.jpg"
