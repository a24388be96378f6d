"""Pictures and tables of images: each format read back by a reader that is not ours."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from PIL import Image
from tenacity import stop_after_attempt

from shared.db.measurements import MEASUREMENTS
from shared.errors import StoreUnavailable
from shared.flows.exports import export as export_module
from shared.flows.exports import manifest as manifest_module
from shared.flows.exports.registry import EXPORTS
from shared.flows.exports.table import RESULT_COLUMNS
from tests.unit.exports.conftest import MakeJob, blobs, levels_of

SCHEMA = json.loads(Path(manifest_module.__file__).with_name("manifest.schema.json").read_text())


def manifest(folder: Path, name: str = "manifest.json") -> dict:
    told = json.loads((folder / name).read_text())
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(told)
    return told


def read(path: Path) -> NDArray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    return tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))


@pytest.mark.parametrize(
    ("name", "ending", "dtype"),
    [
        ("masks", ".png", np.uint8),
        ("masks-tiff", ".tif", np.uint8),
        ("probabilities", ".png", np.uint8),
        ("probabilities-16", ".png", np.uint16),
        ("probabilities-tiff", ".tif", np.float32),
        ("probabilities-npy", ".npy", np.float32),
    ],
)
def test_pictures_come_back_exactly(make: MakeJob, tmp_path: Path, name: str, ending: str, dtype: type) -> None:
    made = make({"a/one.tif": blobs(), "two.jpg": blobs(33, 70, seed=1), "bad.png": None})
    result = made.export(name, tmp_path / "out")
    assert result.exit_code == 0, result.output
    for path, mask in made.masks.items():
        pixels = read(tmp_path / "out" / name / Path(path).with_suffix(ending))
        if name.startswith("masks"):
            expected = mask * np.uint8(255)
        elif np.issubdtype(dtype, np.integer):
            expected = levels_of(mask).astype(dtype) * (np.iinfo(dtype).max // 255)
        else:
            expected = levels_of(mask) / np.float32(255)
        assert pixels.dtype == dtype
        np.testing.assert_array_equal(pixels, expected)
    told = manifest(tmp_path / "out")
    assert told["asked"]["format"] == name
    assert told["job"]["id"] == made.id
    assert told["counts"] == {"items": 3, "with_result": 2, "states": {"succeeded": 2, "failed": 1}}
    assert told["missing"] == [
        {"path": "bad.png", "file": None, "state": "failed", "reason": "truncated: the file ends early"}
    ]


def test_an_ome_tiff_names_its_channels(make: MakeJob, tmp_path: Path) -> None:
    mask = blobs()
    made = make({"a.png": mask})
    assert made.export("ome-tiff", tmp_path / "out").exit_code == 0
    with tifffile.TiffFile(tmp_path / "out" / "ome-tiff" / "a.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "CYX"
        np.testing.assert_array_equal(file.series[0].asarray(), [mask * np.uint8(255), levels_of(mask)])
        assert 'Name="mask"' in (file.ome_metadata or "")
        assert 'Name="probability"' in (file.ome_metadata or "")


def test_an_overlay_shows_the_outline_over_the_picture(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs(), "gone.png": blobs()})
    made.services.store.delete([made.key("gone.png", "source")])
    result = made.export("overlays", tmp_path / "out")
    assert result.exit_code == 1
    picture = np.asarray(Image.open(tmp_path / "out" / "overlays" / "a.png"))
    assert picture.shape == (*blobs().shape, 3)
    assert (picture == (0, 229, 255)).all(-1).any()
    assert [entry["path"] for entry in manifest(tmp_path / "out")["missing"]] == ["gone.png"]


def test_tables_have_their_columns_whatever_the_data(make: MakeJob, tmp_path: Path) -> None:
    full = make({"=1.png": blobs(), "bad.png": None})
    empty = make({"bad.png": None})
    for made, name in ((full, "full"), (empty, "empty")):
        assert made.export("csv", tmp_path / f"{name}.csv").exit_code == 0
        assert made.export("parquet", tmp_path / f"{name}.parquet").exit_code == 0
    tables = {name: pq.read_table(tmp_path / f"{name}.parquet") for name in ("full", "empty")}
    assert tables["full"].schema == tables["empty"].schema
    assert tuple(tables["full"].schema.names) == RESULT_COLUMNS
    assert {str(tables["full"].schema.field(name).type) for name in MEASUREMENTS} == {"double"}
    rows = tables["full"].to_pylist()
    assert [(row["path"], row["state"], row["error_code"]) for row in rows] == [
        ("=1.png", "succeeded", None),
        ("bad.png", "failed", "truncated"),
    ]
    assert rows[0]["foreground"] == float(blobs().mean())
    with (tmp_path / "empty.csv").open(newline="") as file:
        assert tuple(csv.DictReader(file).fieldnames or ()) == RESULT_COLUMNS
    assert manifest(tmp_path, "full.manifest.json")["counts"]["items"] == 2


def test_a_running_job_gives_what_is_there_and_tells_the_rest(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs()}, pending=("later.png",))
    result = made.export("masks", tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert "note: the job is running, 1 image of it done so far" in result.stderr
    assert "1 image without a result" in result.stderr
    assert json.loads(result.stdout)["missing"] == 1
    [entry] = manifest(tmp_path / "out")["missing"]
    assert (entry["path"], entry["state"]) == ("later.png", "pending")
    assert "repeat the export" in entry["reason"]


def test_what_the_store_has_lost_or_damaged_is_told_and_the_others_go_on(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs(), "lost.png": blobs(), "damaged.png": blobs()})
    made.services.store.delete([made.key("lost.png", "mask")])
    made.services.store.put(made.key("damaged.png", "mask"), b"no png")
    result = made.export("masks", tmp_path / "out")
    assert result.exit_code == 1
    assert "the object store has lost 1 result of this job" in result.stderr
    assert {path.name for path in (tmp_path / "out" / "masks").iterdir()} == {"a.png"}
    told = manifest(tmp_path / "out")["missing"]
    assert [(entry["path"], entry["file"]) for entry in told] == [
        ("lost.png", "masks/lost.png"),
        ("damaged.png", "masks/damaged.png"),
    ]
    assert all(entry["state"] == "succeeded" for entry in told)


def test_a_store_that_is_away_half_way_keeps_what_is_there(
    make: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({f"{n:02}.png": blobs(seed=n) for n in range(30)})
    store_type = type(made.services.store)
    real, fetched = store_type.get, []

    def get(self: object, key: str) -> bytes:
        fetched.append(key)
        if len(fetched) > 12:
            raise StoreUnavailable("the object store does not answer")
        return real(self, key)

    impatient = export_module._fetching.copy(sleep=lambda _: None, stop=stop_after_attempt(2))
    monkeypatch.setattr(export_module, "_fetching", impatient)
    monkeypatch.setattr(store_type, "get", get)
    result = made.export("masks", tmp_path / "out")
    assert result.exit_code == 3
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert f"producer export {made.id} --format masks --to {tmp_path}/out` goes on where it was" in line
    there = len(list((tmp_path / "out" / "masks").iterdir()))
    assert 0 < there <= 12
    assert not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.setattr(store_type, "get", real)
    result = made.export("masks", tmp_path / "out", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["files"]["kept"] == there
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 30


def test_names_that_fall_together_stay_apart_with_any_ending(make: MakeJob, tmp_path: Path) -> None:
    long = "n" * 250
    paths = [
        "A.png",
        "a.jpg",
        "\u00e9.png",
        "e\u0301.jpg",
        "x.tif",
        "x.tif.d/y.png",
        f"{long}.png",
        "con.png",
        "a.npy/b.png",
    ]
    made = make({path: blobs() for path in paths})
    for name in ("masks-tiff", "probabilities-npy", "ome-tiff"):
        assert made.export(name, tmp_path / name).exit_code == 0
        files = [path for path in (tmp_path / name / name).rglob("*") if path.is_file()]
        assert len(files) == len({str(path).casefold() for path in files}) == len(paths)


def test_what_is_there_of_somebody_else_stays(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs()})
    (tmp_path / "mine.csv").write_text("mine")
    result = made.export("csv", tmp_path / "mine.csv")
    assert (result.exit_code, (tmp_path / "mine.csv").read_text()) == (2, "mine")
    assert "is there already" in result.stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.json").write_text("mine")
    assert made.export("masks", tmp_path / "own").exit_code == 2


def test_a_format_that_is_a_folder_takes_no_file_name(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs()})
    assert "give a folder" in made.export("masks", tmp_path / "out.zip").stderr
    assert "call it" in made.export("csv", tmp_path / "out.json").stderr


def test_only_what_is_wanted_is_exported(make: MakeJob, tmp_path: Path) -> None:
    full = np.ones((20, 20), bool)
    made = make({"a.png": blobs(), "full.png": full, "b/a.png": blobs(), "bad.png": None})
    out = tmp_path / "out"
    where = ("--where", "foreground_max=0.9", "--where", "text=A.png")
    assert made.export("masks", out, *where).exit_code == 0
    assert {path.name for path in (out / "masks").rglob("*.png")} == {"a.png"}
    told = manifest(out)
    assert told["asked"]["filter"] == {"foreground_max": "0.9", "text": "A.png"}
    assert (told["counts"]["items"], told["missing"]) == (2, [])
    # Other images of the same format do not mix with these; another format lies beside them.
    assert "give another folder" in made.export("masks", out).stderr
    assert made.export("masks-tiff", out, "--where", "state=failed").exit_code == 0
    [entry] = manifest(out, "masks-tiff.manifest.json")["missing"]
    assert entry["path"] == "bad.png"
    assert made.export("masks", out, *where).exit_code == 0
    for wrong, words in (
        ("quality", "--where takes NAME=VALUE"),
        ("colour=red", "nothing of an image is called colour"),
    ):
        assert words in made.export("masks", tmp_path / "x", "--where", wrong).stderr


def test_single_images_are_exported(make: MakeJob, tmp_path: Path) -> None:
    made = make({"p/a.png": blobs(), "p/b[1].png": blobs(), "c.png": blobs(), "bad.png": None})
    out = tmp_path / "out"
    assert made.export("masks", out, "--only", "p/b[1].png", "--only", "bad.png").exit_code == 0
    assert [path.name for path in (out / "masks").rglob("*.png")] == ["b[1].png"]
    told = manifest(out)
    assert told["asked"]["filter"] == {"number": "1,3"}
    assert [entry["path"] for entry in told["missing"]] == ["bad.png"]
    both = ("--only", "p/*", "--only", "*.png", "--where", "text=a", "--where", "state=succeeded")
    assert made.export("masks", tmp_path / "some", *both).exit_code == 0
    assert [path.name for path in (tmp_path / "some" / "masks").rglob("*.png")] == ["a.png"]
    none = made.export("masks", tmp_path / "none", "--only", "p/*", "--only", "d.png")
    assert (none.exit_code, "no image of this job is called d.png" in none.stderr) == (2, True)
    assert not (tmp_path / "none").exists()


def test_the_manifest_tells_what_the_job_was_asked_for(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs()}, channel="green")
    made.export("masks", tmp_path / "out")
    told = manifest(tmp_path / "out")
    assert (told["job"]["channel"], told["job"]["pixel_size"], told["job"]["postprocessing"]) == ("green", None, "")
    assert told["thresholds"] == [item.threshold for item in made.services.repository.items(made.id, limit=1)]
    assert len(told["thresholds"]) == len(told["models"]) == 1


def test_what_is_not_installed_is_one_line_of_advice(
    make: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({"a.png": blobs()})
    monkeypatch.setattr(export_module.importlib.util, "find_spec", lambda _name: None)
    result = made.export("parquet", tmp_path / "a.parquet")
    assert result.exit_code == 2
    assert "pip install 'delineate[export]'" in result.stderr


def test_every_export_counts_its_files(make: MakeJob) -> None:
    from shared.flows.exports.job_results import JobResults

    made = make({"a.png": blobs(), "b.png": blobs(), "c.png": None, "s.tif#0001": blobs()})
    for export in EXPORTS.values():
        files = list(export.files(JobResults(made.services.repository, made.services.store, made.job)))
        assert 0 < len(files) <= export.count(made.job)
