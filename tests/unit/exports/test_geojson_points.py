"""Outlines in the units of the point tables that images were drawn of."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import update

from shared.db.tables.jobs import ItemRow
from shared.point_frame import PointFrame
from tests.unit.exports.conftest import MakeJob, Mask, blobs

FRAMES = {
    "cells.csv.tif": PointFrame(30, 0.1, 512_345.6, -77.7, "um"),
    "plain.csv.tif": PointFrame(30, 1 / 3, -1e4 / 3, 0.0, ""),
}


def rasterised(geometry: shapely.Geometry, frame: PointFrame, shape: tuple[int, ...]) -> Mask:
    """Which pixels have their centre in a geometry of the table's units."""
    rows, columns = np.indices(shape)
    return np.asarray(
        shapely.contains_xy(
            geometry, frame.left + (columns + 0.5) * frame.pixel, frame.top + (rows + 0.5) * frame.pixel
        )
    )


def test_outlines_come_back_in_the_units_of_the_table(make: MakeJob, tmp_path: Path) -> None:
    made = make({"cells.csv.tif": blobs(), "plain.csv.tif": blobs(50, 70, seed=1), "image.png": blobs()})
    with made.services.database.write() as connection:
        for path, frame in FRAMES.items():
            connection.execute(update(ItemRow).where(ItemRow.path == path).values(described=frame.described()))
    done = made.export("geojson-points", tmp_path / "units")
    assert done.exit_code == 1  # one is no table
    made.export("geojson", tmp_path / "pixels")
    manifest = json.loads((tmp_path / "units" / "manifest.json").read_text())
    [missing] = manifest["missing"]
    assert missing["path"] == "image.png"
    assert "not submitted with --points, so that it has no units: take the format geojson" in missing["reason"]

    for path, frame in FRAMES.items():
        name = Path(path).with_suffix(".geojson").name
        collection = json.loads((tmp_path / "units" / "geojson-points" / name).read_text())
        in_pixels = json.loads((tmp_path / "pixels" / "geojson" / name).read_text())
        told = {"unit": frame.unit, "pixel": frame.pixel, "left": frame.left, "top": frame.top}
        assert collection["points"] == told
        mask, together = made.masks[path], np.zeros_like(made.masks[path])
        assert len(collection["features"]) == len(in_pixels["features"]) > 3
        for feature, same in zip(collection["features"], in_pixels["features"], strict=True):
            geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
            assert geometry.is_valid
            together |= rasterised(geometry, frame, mask.shape)
            # Each corner is a corner of a pixel again, exactly.
            corners = shapely.get_coordinates(geometry)
            back = [frame.column_and_row(x, y) for x, y in corners.tolist()]
            assert np.rint(back).tolist() == shapely.get_coordinates(
                shapely.from_geojson(json.dumps(same["geometry"]))
            ).tolist()  # fmt: skip
            properties, pixels = feature["properties"], same["properties"]["measurements"]
            assert properties["name"] == same["properties"]["name"]
            assert properties["area"] == pytest.approx(geometry.area, rel=1e-6)
            assert (properties["x"], properties["y"]) == pytest.approx(
                shapely.get_coordinates(geometry.centroid)[0].tolist(), rel=1e-9
            )
            assert properties["perimeter"] == pytest.approx(pixels["perimeter_px"] * frame.pixel)
            assert properties["confidence"] == pixels["confidence"]
        np.testing.assert_array_equal(together, mask)
