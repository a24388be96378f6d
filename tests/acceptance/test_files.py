"""Files as other people's tools write them, through the stack: each is read right, or says why not, or has its note."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from shared.images.notes import NoteCode, note_codes
from shared.synth import synthesise
from tests.acceptance.embedded_stack import EmbeddedStack
from tests.corpus.tiffs import GREY, no_data, sparse, tiff, video_frame

pytestmark = pytest.mark.timeout(900)

SCENE = synthesise(3, noise="none")
A, TRUTH = SCENE.image, SCENE.mask
BLANK = np.zeros_like(A)
DARK = np.where(np.median(A) + 3 < A, A, 0).astype(np.uint8)  # a ground of exact zeros
MIN_DICE = 0.8


@dataclass(frozen=True)
class Expected:
    """What is to come of a file."""

    make: Callable[[], bytes]
    code: str | None = None  # of the failure
    notes: tuple[NoteCode, ...] = ()
    finds: bool = True  # the shape; else nothing


def with_pillow(pixels: NDArray[np.uint8], name: str, **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, name, **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def bordered(pixels: NDArray[Any], value: float) -> NDArray[Any]:
    framed = pixels.copy()
    framed[:27] = framed[-27:] = framed[:, :27] = framed[:, -27:] = value
    return framed


def pages(*written: tuple[NDArray[Any], dict[str, Any]]) -> bytes:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for pixels, options in written:
            file.write(pixels, **options)
    return buffer.getvalue()


def preview(**options: Any) -> tuple[NDArray[Any], dict[str, Any]]:
    return np.stack([A[::4, ::4]] * 3, -1), {"photometric": "rgb", "metadata": None, "subfiletype": 1} | options


def large() -> NDArray[np.uint8]:
    """The scene in the middle of more of its ground, over 2048² pixels."""
    ground = np.full((2304, 2304), np.median(A), np.uint8)
    ground[896:1408, 896:1408] = A
    return ground


def tinted() -> NDArray[np.uint8]:
    share = ((A.astype(float) - A.min()) / np.ptp(A))[..., None]
    colours = np.array((0.15, 0.50, 0.15)) * (1 - share) + np.array((0.90, 0.12, 0.15)) * share
    return np.rint(255 * colours).astype(np.uint8)


SHARES = (A / 255).astype(np.float32)
FILES = {
    "plain.png": Expected(lambda: with_pillow(A, "PNG")),
    "sparse.tif": Expected(lambda: sparse(tiff(DARK, tile=(32, 32), compression="zlib"))),
    "cut.tif": Expected(lambda: tiff(A, tile=(64, 64))[:100_000], "truncated"),
    "video.tif": Expected(lambda: video_frame(A, 2, 2, compression=32773)),
    "video-large.tif": Expected(lambda: video_frame(large(), 2, 2, compression=8)),
    "channels.tif": Expected(lambda: tiff(np.stack([A, A[::-1]]), planarconfig="separate"), notes=(NoteCode.CHANNELS,)),
    "channels-large.tif": Expected(
        lambda: tiff(np.stack([0 * large(), large()], -1), planarconfig="contig", compression="zlib"),
        notes=(NoteCode.CHANNELS,),
    ),
    "pages.tif": Expected(lambda: tiff(np.stack([A] * 3)), notes=(NoteCode.PAGES,)),
    "preview.tif": Expected(lambda: pages(preview(subifds=1), (A, GREY))),
    "raw.tif": Expected(
        lambda: pages(preview(), (A.astype(np.uint16), {"photometric": 32803, "metadata": None})), "unsupported_format"
    ),
    "no-data.tif": Expected(lambda: tiff(bordered(SHARES, -9999), tags=no_data("-9999"))),
    "no-data-nan.tif": Expected(lambda: tiff(bordered(SHARES, np.nan), tags=no_data("nan"))),
    "no-data-large.tif": Expected(
        lambda: tiff(bordered(large().astype(np.float32), -9999), tags=no_data("-9999"), compression="zlib")
    ),
    "no-data-untold.tif": Expected(lambda: tiff(bordered(SHARES, -9999)), notes=(NoteCode.NO_DATA,)),
    "nan.tif": Expected(lambda: tiff(bordered(SHARES, np.nan)), "not_finite"),
    "stamp.png": Expected(lambda: with_pillow(np.dstack([BLANK] * 3 + [A]), "PNG")),
    "hidden.png": Expected(
        lambda: with_pillow(np.dstack([A, A, A, 255 - TRUTH * np.uint8(255)]), "PNG"),
        notes=(NoteCode.TRANSPARENCY,),
        finds=False,
    ),
    "constant.png": Expected(lambda: with_pillow(BLANK + 128, "PNG"), notes=(NoteCode.CONSTANT,), finds=False),
    "constant-large.png": Expected(
        lambda: with_pillow(0 * large() + 128, "PNG"), notes=(NoteCode.CONSTANT,), finds=False
    ),
    "turned.jpg": Expected(lambda: with_pillow(A, "JPEG", quality=95, exif=turned()), notes=(NoteCode.ORIENTATION,)),
    "jpeg-ls.jpg": Expected(lambda: imagecodecs.jpegls_encode(A), "unsupported_format"),
    "red-on-green.png": Expected(lambda: with_pillow(tinted(), "PNG"), notes=(NoteCode.COLOUR,)),
}


def dice(mask: NDArray[np.bool_]) -> float:
    """Against the truth, which lies in the middle of a large mask."""
    truth = TRUTH
    if mask.shape != truth.shape:
        truth = np.zeros(mask.shape, bool)
        truth[896:1408, 896:1408] = TRUTH
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def test_each_file_is_read_right_or_says_why_not_or_has_its_note(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    for name, file in FILES.items():
        (folder / name).write_bytes(file.make())
    with EmbeddedStack(tmp_path / "home") as stack:
        stack.wait_until_ready()
        done = stack.run("producer", "submit", folder, "--wait", "--to", out)
    assert done.returncode == 1, done.stderr  # some failed
    with (out / "results.csv").open(newline="") as table:
        rows = {row["path"]: row for row in csv.DictReader(table)}
    assert rows.keys() == FILES.keys()
    for name, file in FILES.items():
        row = rows[name]
        assert (name, row["error_code"]) == (name, file.code or "")
        assert (name, note_codes(row["note"])) == (name, file.notes)
        if file.code is None and file.finds:
            with Image.open(out / "masks" / f"{name.rpartition('.')[0]}.png") as mask:
                assert (name, dice(np.asarray(mask) > 0) >= MIN_DICE) == (name, True)
    for name in ("constant.png", "constant-large.png"):
        assert float(rows[name]["foreground"]) == 0
