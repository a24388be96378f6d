"""Objects: each format read back by its own reader, the mask exactly, and the same number of objects in all."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import roifile
import shapely
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from jsonschema import Draft202012Validator
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from skimage.measure import label

from shared.errors import StoreUnavailable
from shared.flows.exports import export as export_module
from shared.flows.exports import objects as exports
from shared.images.codec import decode
from shared.images.decoded import DecodeLimits
from shared.objects import runs as runs_module
from shared.objects.objects import Objects
from shared.objects.outlines import polygons_of
from shared.objects.rle import compressed, counts_of
from shared.objects.table import OBJECT_COLUMNS
from shared.pixel_size import PixelSize
from tests.unit.exports.conftest import MakeJob, Mask, blobs
from tests.unit.exports.test_pictures import manifest

# pycocotools, when it gives arrays back.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = {"a/one.tif": blobs(), "two.jpg": blobs(50, 44, seed=3), "empty.png": np.zeros((20, 30), bool)}

masks = st.one_of(
    arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16)),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99)).map(
        lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < 0.7
    ),
)

# What QuPath and RFC 7946 ask for, of what we write.
GEOJSON = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {
            "items": {
                "required": ["type", "id", "geometry", "properties"],
                "properties": {
                    "type": {"const": "Feature"},
                    "id": {"type": "string", "format": "uuid"},
                    "geometry": {"properties": {"type": {"enum": ["Polygon", "MultiPolygon"]}}},
                    "properties": {
                        "required": ["objectType", "classification", "measurements"],
                        "properties": {
                            "objectType": {"const": "detection"},
                            "measurements": {"additionalProperties": {"type": "number"}},
                        },
                    },
                },
            }
        },
    },
}


def rasterised(geometry: shapely.Geometry, shape: tuple[int, ...]) -> Mask:
    """The pixels whose centres it covers."""
    row, column = np.indices(shape)
    return shapely.contains_xy(geometry, column + 0.5, row + 0.5)


@given(masks)
@settings(max_examples=30, deadline=None)
def test_outlines_are_valid_and_rasterise_back(mask: Mask) -> None:
    labels = label(mask, connectivity=2)
    for one in Objects.of(mask):
        parts = [shapely.Polygon(polygon.outer, polygon.holes) for polygon in polygons_of(one)]
        whole = shapely.MultiPolygon(parts)
        assert whole.is_valid, shapely.is_valid_reason(whole)
        assert all(part.exterior.is_ccw and not any(hole.is_ccw for hole in part.interiors) for part in parts)
        np.testing.assert_array_equal(rasterised(whole, mask.shape), labels == one.number)


@given(masks)
@settings(max_examples=30, deadline=None)
def test_run_lengths_are_those_of_pycocotools(mask: Mask) -> None:
    labels = label(mask, connectivity=2)
    for one in Objects.of(mask):
        theirs = coco_mask.encode(np.asfortranarray(labels == one.number, dtype=np.uint8))
        assert compressed(counts_of(one)).encode() == theirs["counts"]


@given(masks)
@settings(max_examples=30, deadline=None)
def test_cocos_polygons_are_drawn_as_the_mask(mask: Mask) -> None:
    labels = label(mask, connectivity=2)
    for one in Objects.of(mask):
        encoded = coco_mask.merge(coco_mask.frPyObjects(exports._coco_polygons(one), *mask.shape))
        np.testing.assert_array_equal(coco_mask.decode(encoded), labels == one.number)


def test_every_format_holds_the_same_objects(make: MakeJob, tmp_path: Path) -> None:
    made = make(dict(MASKS))
    out = tmp_path
    for name in ("labels", "labels-32", "geojson", "imagej-roi"):
        assert made.export(name, out / name).exit_code == 0
    files = {
        "coco": "rle.json",
        "coco-polygons": "polygons.json",
        "objects-csv": "o.csv",
        "objects-parquet": "o.parquet",
    }
    for name, file in files.items():
        result = made.export(name, out / file)
        assert result.exit_code == 0, result.output
    cocos = {name: COCO(str(out / f"{name}.json")) for name in ("rle", "polygons")}
    with (out / "o.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(out / "o.parquet")
    assert list(rows[0]) == table.schema.names == ["path", *OBJECT_COLUMNS]
    for path, mask in MASKS.items():
        labels = label(mask, connectivity=2)
        stem = Path(path).with_suffix("")
        for name, dtype in (("labels", np.uint16), ("labels-32", np.uint32)):
            read = tifffile.imread(out / name / name / stem.with_suffix(".tif"))
            assert read.dtype == dtype
            np.testing.assert_array_equal(read, labels)
        for coco in cocos.values():
            [image] = [image for image in coco.dataset["images"] if image["file_name"] == path]
            assert (image["height"], image["width"]) == mask.shape
            found = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
            assert len(found) == labels.max()
            for number, annotation in enumerate(found, 1):
                np.testing.assert_array_equal(coco.annToMask(annotation), labels == number)
                assert annotation["area"] == (labels == number).sum()
                encoded = coco.annToRLE(annotation)
                assert annotation["bbox"] == coco_mask.toBbox(encoded).tolist()
        collection = json.loads((out / "geojson" / "geojson" / stem.with_suffix(".geojson")).read_text())
        Draft202012Validator(GEOJSON, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(collection)
        assert len(collection["features"]) == labels.max()
        for number, feature in enumerate(collection["features"], 1):
            geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
            assert geometry.is_valid
            np.testing.assert_array_equal(rasterised(geometry, mask.shape), labels == number)
            assert feature["properties"]["measurements"]["area_px"] == (labels == number).sum()
        rois = rois_of(out / "imagej-roi" / "imagej-roi" / stem.with_suffix(".zip"))
        assert len(rois) == labels.max()
        for number, roi in enumerate(rois, 1):
            np.testing.assert_array_equal(painted(roi, mask.shape), labels == number)
        own = [row for row in rows if row["path"] == path]
        assert [int(row["area_px"]) for row in own] == np.bincount(labels.ravel())[1:].tolist()
        assert table.filter(np.array(table["path"].to_pylist()) == path)["area_px"].to_pylist() == [
            int(row["area_px"]) for row in own
        ]
    assert manifest(out, "rle.manifest.json")["counts"]["with_result"] == 3


def rois_of(path: Path) -> list[roifile.ImagejRoi]:
    with zipfile.ZipFile(path) as archive:
        return [roifile.ImagejRoi.frombytes(archive.read(name)) for name in sorted(archive.namelist())]


def painted(roi: roifile.ImagejRoi, shape: tuple[int, ...]) -> Mask:
    """The pixels whose centres an odd number of its rings goes round, as ImageJ fills paths."""
    inside = np.zeros(shape, bool)
    for ring in roi.coordinates(multi=True):
        inside ^= rasterised(shapely.Polygon(ring).buffer(0) if len(ring) > 3 else shapely.Polygon(), shape)
    return inside


def test_tables_of_objects_have_their_columns_without_objects(make: MakeJob, tmp_path: Path) -> None:
    made = make({"empty.png": np.zeros((20, 30), bool)})
    assert made.export("objects-csv", tmp_path / "o.csv").exit_code == 0
    assert made.export("objects-parquet", tmp_path / "o.parquet").exit_code == 0
    assert (tmp_path / "o.csv").read_text() == ",".join(["path", *OBJECT_COLUMNS]) + "\n"
    table = pq.read_table(tmp_path / "o.parquet")
    assert (table.num_rows, table.schema) == (0, exports.object_schema())


def test_the_size_of_pixels_is_in_every_format_that_has_one(make: MakeJob, tmp_path: Path) -> None:
    # 2 × 3 µm: who mixes them up, or takes one for both, gets other numbers.
    mask = np.zeros((40, 60), bool)
    mask[4:12, 10:16] = mask[20:23, 30:50] = True
    made = make({"a.png": mask}, pixel_size=PixelSize(2.0, 3.0))
    for name, file in (("ome-tiff", "o"), ("labels", "l"), ("geojson", "g"), ("objects-csv", "o.csv")):
        assert made.export(name, tmp_path / file).exit_code == 0
    with tifffile.TiffFile(tmp_path / "o" / "ome-tiff" / "a.ome.tif") as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert [pixels[f"PhysicalSize{side}"] for side in "XY"] == [2.0, 3.0]
        assert [pixels[f"PhysicalSize{side}Unit"] for side in "XY"] == ["µm", "µm"]
    for path in (tmp_path / "o" / "ome-tiff" / "a.ome.tif", tmp_path / "l" / "labels" / "a.tif"):
        size = decode(path.read_bytes(), limits=DecodeLimits(min_side=8, max_side=100)).pixel_size
        assert size is not None
        assert (size.x, size.y) == pytest.approx((2.0, 3.0), rel=1e-5)
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as text:
        first, second = csv.DictReader(text)
    expected = {"area_um2": 48 * 6, "x_um": 12.5 * 2, "y_um": 7.5 * 3, "major_um": 4 * (9 * 63 / 12) ** 0.5}
    assert {name: float(first[name]) for name in expected} == pytest.approx(expected, abs=1e-4)
    assert float(second["area_um2"]) == 60 * 6
    collection = json.loads((tmp_path / "g" / "geojson" / "a.geojson").read_text())
    assert [each["properties"]["measurements"]["area_um2"] for each in collection["features"]] == [288, 360]
    assert made.export("csv", tmp_path / "r.csv").exit_code == 0
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as text:
        [row] = csv.DictReader(text)
    assert (row["pixel_width_um"], row["pixel_height_um"]) == ("2", "3")


def test_what_a_format_cannot_hold_is_refused_with_a_reason(make: MakeJob, tmp_path: Path) -> None:
    # 65,536 dots that touch nobody, and a side whose last edge is beyond 16 bits.
    many = np.zeros((512, 512), bool)
    many[::2, ::2] = True
    wide = np.zeros((2, 32_768), bool)
    wide[:, -3:] = True
    made = make({"fine.png": blobs(), "many.png": many, "wide.png": wide})
    for name, refused, words in (("labels", "many.png", "labels-32"), ("imagej-roi", "wide.png", "geojson or coco")):
        result = made.export(name, tmp_path / name)
        assert result.exit_code == 1
        assert words in result.stderr
        [entry] = manifest(tmp_path / name)["missing"]
        assert entry["path"] == refused
        assert words in entry["reason"]
    assert len(list((tmp_path / "labels" / "labels").iterdir())) == 2


def test_an_interrupted_file_goes_on_with_its_parts(
    make: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({f"{n:02}.png": blobs(seed=n) for n in range(20)})
    whole = tmp_path / "whole.json"
    assert made.export("coco", whole).exit_code == 0
    store_type = type(made.services.store)
    real, fetched = store_type.get, []

    def get(self: object, key: str) -> bytes:
        fetched.append(key)
        if failing and len(fetched) > 21:
            raise StoreUnavailable("the object store does not answer")
        return real(self, key)

    failing = True
    monkeypatch.setattr(export_module, "_fetching", export_module._fetching.copy(stop=lambda _state: True))
    monkeypatch.setattr(store_type, "get", get)
    assert made.export("coco", tmp_path / "cut.json").exit_code == 3
    assert not (tmp_path / "cut.json").exists()
    failing = False
    fetched.clear()
    assert made.export("coco", tmp_path / "cut.json").exit_code == 0
    assert 0 < len(fetched) < 40
    assert (tmp_path / "cut.json").read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*.parts"))


def test_a_lost_mask_is_in_no_list_of_images(make: MakeJob, tmp_path: Path) -> None:
    made = make({"a.png": blobs(), "lost.png": blobs()})
    made.services.store.delete([made.key("lost.png", "mask")])
    assert made.export("coco", tmp_path / "c.json").exit_code == 1
    assert [image["file_name"] for image in COCO(str(tmp_path / "c.json")).dataset["images"]] == ["a.png"]
    [entry] = manifest(tmp_path, "c.manifest.json")["missing"]
    assert (entry["path"], entry["file"]) == ("lost.png", None)


def test_a_mask_of_noise_is_told_and_the_others_go_on(
    make: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "MAX_RUNS", 200)
    made = make({"a.png": blobs(), "noise.png": np.indices((40, 61)).sum(0) % 2 == 0})
    result = made.export("labels", tmp_path / "out")
    assert result.exit_code == 1
    assert (tmp_path / "out" / "labels" / "a.tif").is_file()
    [entry] = manifest(tmp_path / "out")["missing"]
    assert entry["path"] == "noise.png"
    assert "too ragged" in entry["reason"]


def test_rois_are_packed(make: MakeJob, tmp_path: Path) -> None:
    assert make({"a.png": blobs()}).export("imagej-roi", tmp_path / "out").exit_code == 0
    with zipfile.ZipFile(tmp_path / "out" / "imagej-roi" / "a.zip") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
