"""Exports of outlines as GeoJSON: in pixels, as QuPath opens it, and in the units of point tables.

Rings follow the edges of pixels, so that they rasterise back to the very same mask.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.flows.exports.export import NotExportable
from shared.flows.exports.objects import CATEGORY, objects_of, rows_of
from shared.flows.exports.per_image import mask_and_probability_of, per_image
from shared.jobs.records import Item
from shared.point_frame import PointFrame

if TYPE_CHECKING:
    from shared.objects.objects import OneObject
    from shared.objects.outlines import Ring

_COLOUR = (0, 229, 255)
_Place = Callable[[float, float], tuple[float, float]]


def _geojson(item: Item, mask: bytes, probability: bytes) -> bytes:
    """Return a FeatureCollection as QuPath opens it: detections with measurements, in pixels of the whole image."""

    def properties(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "objectType": "detection",
            "name": str(row["object"]),
            "classification": {"name": CATEGORY, "color": _COLOUR},
            "measurements": {
                name: value for name, value in row.items() if type(value) in (int, float) and name != "object"
            },
        }

    return _collection(item, mask, probability, lambda x, y: (x, y), properties)


def _in_units(item: Item, mask: bytes, probability: bytes) -> bytes:
    """Return a FeatureCollection in the units of the table that the image was drawn of, its y growing as there.

    Raises:
        NotExportable: it was drawn of none.
    """
    frame = PointFrame.of_described(item.described)
    if frame is None:
        raise NotExportable("it was not submitted with --points, so that it has no units: take the format geojson")

    def properties(row: Mapping[str, Any]) -> dict[str, Any]:
        x, y = frame.at(row["x_px"] + 0.5, row["y_px"] + 0.5)  # which count from the centre of the first pixel
        return {
            "name": str(row["object"]),
            "area": row["area_px"] * frame.pixel**2,
            "perimeter": row["perimeter_px"] * frame.pixel,
            "x": x,
            "y": y,
            "major": row["major_px"] * frame.pixel,
            "minor": row["minor_px"] * frame.pixel,
            **{name: row[name] for name in _WITHOUT_UNIT},
        }

    about = {"points": {"unit": frame.unit, "pixel": frame.pixel, "left": frame.left, "top": frame.top}}
    return _collection(item, mask, probability, frame.at, properties, about)


_WITHOUT_UNIT = ("eccentricity", "solidity", "holes", "touches_border", "mean_probability", "confidence")


def _collection(
    item: Item,
    mask: bytes,
    probability: bytes,
    place: _Place,
    properties: Callable[[Mapping[str, Any]], dict[str, Any]],
    about: Mapping[str, Any] | None = None,
) -> bytes:
    objects = objects_of(mask)
    features = [
        {
            "type": "Feature",
            "id": str(uuid.uuid5(uuid.UUID(item.id), str(one.number))),
            "geometry": _geometry(one, place),
            "properties": properties(row),
        }
        for one, row in zip(objects, rows_of(item, objects, probability), strict=True)
    ]
    collection = {"type": "FeatureCollection", **(about or {}), "features": features}
    return json.dumps(collection, separators=(",", ":")).encode()


def _geometry(one: "OneObject", place: _Place) -> dict[str, Any]:
    from shared.objects.outlines import polygons_of

    def closed(ring: "Ring") -> list[tuple[float, float]]:
        return [place(x, y) for x, y in [*ring, ring[0]]]

    polygons = [[closed(ring) for ring in polygon.rings] for polygon in polygons_of(one)]
    if len(polygons) > 1:
        return {"type": "MultiPolygon", "coordinates": polygons}
    return {"type": "Polygon", "coordinates": polygons[0]}  # some readers refuse a MultiPolygon of one part


EXPORTS = (
    per_image(
        "geojson", "GeoJSON for QuPath", "a file for each image, its objects as polygons along their pixels' edges",
        ending=".geojson", keys=mask_and_probability_of, convert=_geojson,
    ),
    per_image(
        "geojson-points", "GeoJSON in the units of point tables",
        "the same of images that were submitted with --points, in their tables' coordinates",
        ending=".geojson", keys=mask_and_probability_of, convert=_in_units,
    ),
)  # fmt: skip
