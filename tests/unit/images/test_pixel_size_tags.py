"""How large the pixels of a TIFF are: of OME, of ImageJ, of its tags; and what is no size."""

from io import BytesIO

import numpy as np
import pytest
import tifffile

from shared.images.codec import decode
from shared.images.decoded import DecodeLimits

LIMITS = DecodeLimits(min_side=8, max_side=100)
PIXELS = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)


def tiff(**options):
    buffer = BytesIO()
    tifffile.imwrite(buffer, PIXELS, **options)
    return buffer.getvalue()


def imagej(unit, resolution=(1 / 0.65, 1 / 0.65), **more):
    return tiff(imagej=True, resolution=resolution, metadata={"unit": unit, **more})


def ome(**physical):
    return tiff(ome=True, metadata={"axes": "YX", **physical})


SIZES = {
    "centimetres": (lambda: tiff(resolution=(10_000 / 0.65, 10_000 / 0.65), resolutionunit="CENTIMETER"), (0.65, 0.65)),
    "inches": (lambda: tiff(resolution=(25_400 / 2, 25_400 / 4), resolutionunit="INCH"), (2, 4)),
    "ImageJ": (lambda: imagej("um"), (0.65, 0.65)),
    "ImageJ, micro sign": (lambda: imagej("\\u00B5m"), (0.65, 0.65)),
    "ImageJ, micron": (lambda: imagej("micron"), (0.65, 0.65)),
    "ImageJ, nm in y": (lambda: imagej("um", (1 / 0.65, 1 / 325), yunit="nm"), (0.65, 0.325)),
    "OME": (lambda: ome(PhysicalSizeX=0.65, PhysicalSizeY=0.5), (0.65, 0.5)),
    "OME, nm": (
        lambda: ome(PhysicalSizeX=650, PhysicalSizeXUnit="nm", PhysicalSizeY=0.5, PhysicalSizeYUnit="µm"),
        (0.65, 0.5),
    ),
    "OME, x alone": (lambda: ome(PhysicalSizeX=650, PhysicalSizeXUnit="nm"), (0.65, 0.65)),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_size_is_read_in_micrometres(name):
    make, expected = SIZES[name]
    image = decode(make(), limits=LIMITS)
    assert (image.pixel_size.x, image.pixel_size.y) == pytest.approx(expected, rel=1e-5)
    assert image.note is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: tiff(),
        lambda: tiff(resolution=(72, 72), resolutionunit="INCH"),  # a screen's, which programs write by themselves
        lambda: tiff(resolution=(3, 3), resolutionunit="NONE"),
        lambda: imagej("pixel"),
        lambda: ome(),
    ],
    ids=["nothing", "screen", "no unit", "ImageJ in pixels", "OME without"],
)
def test_a_file_that_says_none_has_none(make):
    image = decode(make(), limits=LIMITS)
    assert image.pixel_size is None
    assert image.note is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: tiff(resolution=(0, 0), resolutionunit="CENTIMETER"),
        lambda: imagej("furlong"),
        lambda: imagej("um", (0, 0)),
        lambda: ome(PhysicalSizeX=0, PhysicalSizeY=0),
        lambda: ome(PhysicalSizeX=1, PhysicalSizeXUnit="pixel"),
    ],
    ids=["0", "ImageJ's unit", "ImageJ's 0", "OME's 0", "OME's unit"],
)
def test_a_size_that_cannot_be_used_is_noted(make):
    image = decode(make(), limits=LIMITS)
    assert image.pixel_size is None
    assert image.note.startswith("pixel_size: ")
    assert "--pixel-size" in image.note
    assert "\n" not in image.note
