"""TIFF and BigTIFF through tifffile: strips and tiles, chunky and planar, plain and compressed."""

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from shared.errors import ImageError, ItemErrorCode
from shared.images.channel_choice import AUTO
from shared.images.channels import Rendering
from shared.images.decoded import DecodedImage, DecodeLimits, Pixels
from shared.images.notes import Note, joined
from shared.images.readers import no_data
from shared.images.readers.no_data import NoData
from shared.images.readers.orientation import orientation_notes
from shared.images.readers.tiff_bands import MAX_TILE_SIDE, Bands, is_subsampled
from shared.images.readers.tiff_pages import chosen_page
from shared.images.readers.tiff_resolution import pixel_size
from shared.images.readers.tiff_samples import Narrowing, light, light_layout

# It logs each oddity of a damaged file; the outcome reaches the user as one reason instead.
LOGGER = logging.getLogger(tifffile.__name__)
LOGGER.setLevel(logging.CRITICAL)

MAX_SAMPLES = 5
"""Most samples a pixel: CMYK and alpha. A header may announce 65,535, each the size of the image."""

_ORIENTATION, _GDAL_NODATA = 274, 42113
_SAMPLES_NEEDED = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.SEPARATED: 4,
    PHOTOMETRIC.YCBCR: 3,
}
_MODES = {
    PHOTOMETRIC.MINISWHITE: "grey",
    PHOTOMETRIC.MINISBLACK: "grey",
    PHOTOMETRIC.RGB: "RGB",
    PHOTOMETRIC.PALETTE: "palette",
    PHOTOMETRIC.SEPARATED: "CMYK",
    PHOTOMETRIC.YCBCR: "YCbCr",
}
# Those whose decoders withstand hostile bytes; the library knows some forty, of every quality.
_COMPRESSIONS = (
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
    COMPRESSION.JPEG,
    COMPRESSION.ZSTD,
    COMPRESSION.LZMA,
)
_PREDICTORS = {1: "buif", 2: "uif", 3: "f"}  # none, of whole numbers (GDAL writes it of floats, too), of floats


def read(data: bytes, limits: DecodeLimits, channel: str = AUTO) -> DecodedImage:
    """The file's picture: grey, palette, RGB, YCbCr or CMYK of 1 to 64 bits a sample, integer or float."""
    with TiffFile(BytesIO(data)) as tiff:
        picture = Picture(tiff, data, limits, channel)
        samples = picture.bands.whole()
        picture.look_at(samples)
        pixels = picture.pixels(samples)
        return DecodedImage(
            pixels,
            "TIFF",
            picture.mode,
            picture.page.bitspersample,
            picture.note,
            is_transparent=picture.is_transparent,
            has_holes=picture.has_holes,
            pixel_size=picture.pixel_size,
        )


class Picture:
    """The picture of a file, once everything about it was looked at that decoding its strips or tiles relies on.

    Raises:
        ImageError: it is not read, or its strips or tiles are not all there.
    """

    def __init__(self, tiff: TiffFile, data: bytes, limits: DecodeLimits, channel: str = AUTO) -> None:
        self.page, self._notes = chosen_page(tiff, data)
        page = self.page
        limits.check(page.imagewidth, page.imagelength)
        _require_supported(page)
        self._dtype = np.dtype(page.dtype)
        orientation = page.tags.valueof(_ORIENTATION)
        self.pixel_size, of_pixels = pixel_size(tiff, page)
        self._notes += [*orientation_notes(orientation), *of_pixels]
        self._no_data = no_data.parse_no_data(page.tags.valueof(_GDAL_NODATA))
        self.bands = Bands(page, data, no_data.fill_value(self._no_data, self._dtype))
        self.bands.require_sound()
        self._layout = light_layout(page, self.bands.samples)
        self._layout.require(channel)
        self._channel = channel
        self._rendering = Rendering(self._layout)
        self._narrowing = Narrowing()
        self._left_out: NoData | None = None

    @property
    def mode(self) -> str:
        """What the page holds, see `DecodedImage`."""
        return _MODES[PHOTOMETRIC(self.page.photometric)] + ("" if self._layout.alpha is None else "+alpha")

    @property
    def note(self) -> str | None:
        """What the reader of the result should know."""
        return joined(notes=[*self._notes, *self._rendering.notes])

    @property
    def is_transparent(self) -> bool:
        """Whether some of it is seen on a plain ground."""
        return self._rendering.is_transparent

    @property
    def has_holes(self) -> bool:
        """Whether pixels without data are NaN."""
        return self._left_out is not None

    @property
    def needs_look(self) -> bool:
        """Whether there is anything to be decided on the samples."""
        small = self._dtype.kind in "bu" and self._dtype.itemsize == 1
        return not small or self._layout.samples > 1 or self._no_data is not None

    def look_at(self, samples: NDArray[Any]) -> None:
        """Decide, once for the file, how its samples become grey.

        Args:
            samples: H×W×C as stored, all of them or some rows.
        """
        if not self.needs_look:
            return
        self._rendering = Rendering.of(self._light(samples), self._layout, self._channel)
        self._notes += self._decide_on_no_data(samples)
        of_light = self._of_light(samples)
        known = of_light if self._left_out is None else of_light[~self._left_out.where(of_light)]
        self._narrowing = Narrowing.of(known, self._layout)

    def pixels(self, samples: NDArray[Any]) -> Pixels:
        """Make samples as stored, H×W×C, grey, H×W, or planes C×H×W where they are apart; NaN where there is no data.

        Raises:
            ImageError: other pixels are NaN or infinite, where some are without data (`not_finite`).
        """
        # A float64 beyond float32's range becomes infinite here, and is refused as such by the caller.
        with np.errstate(over="ignore", invalid="ignore"):
            pixels = self._rendering.pixels(self._light(samples))
        if self._left_out is None:
            return pixels
        pixels = pixels.astype(np.float32)
        missing = self._left_out.where(self._of_light(samples))
        if not np.isfinite(pixels[..., ~missing]).all():
            raise ImageError(ItemErrorCode.NOT_FINITE, "some intensities are NaN or infinite")
        pixels[..., missing] = np.nan
        return pixels

    def bands_of_pixels(self) -> Iterator[Pixels]:
        """Yield the picture by bands of rows."""
        if self.needs_look:
            self.look_at(self.bands.look())
        return map(self.pixels, _slices(self.bands))

    def _light(self, samples: NDArray[Any]) -> NDArray[Any]:
        return light(self.page, self._narrowing(samples))

    def _of_light(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Pick the samples as stored that the grey is made of."""
        extra = self._layout.samples - samples.shape[2]  # a palette's one index has become three colours
        channel = self._rendering.channel
        if self._rendering.planes:
            return samples[..., : max(self._rendering.planes, self._layout.colours) - extra]
        if channel is None or channel < self._layout.colours:
            return samples[..., : self._layout.colours - extra]
        return samples[..., channel - extra : channel - extra + 1]

    def _decide_on_no_data(self, samples: NDArray[Any]) -> list[Note]:
        of_light = self._of_light(samples)
        notes: list[Note] = []
        if self._no_data is not None:
            self._left_out, notes = no_data.told(of_light, self._no_data)
        elif of_light.shape[2] == 1 and samples.dtype.itemsize > 1 and self.page.photometric != PHOTOMETRIC.PALETTE:
            self._left_out, notes = no_data.untold(of_light[..., 0])
        return notes


_SLICE_ROWS = 256


def _slices(bands: Bands) -> Iterator[NDArray[Any]]:
    """A strip may be the whole image: what is made of it should not all be there at once."""
    return (band[row : row + _SLICE_ROWS] for band in bands for row in range(0, len(band), _SLICE_ROWS))


def _require_supported(page: TiffPage) -> None:
    """Refuse what cannot be turned into one grey image, by its header."""
    photometric = PHOTOMETRIC(page.photometric) if page.photometric in _SAMPLES_NEEDED else None
    if photometric is None:
        layout = "of an unusual colour space"
    elif not _SAMPLES_NEEDED[photometric] <= page.samplesperpixel <= MAX_SAMPLES:
        layout = f"of {page.samplesperpixel} channels"
    elif page.imagedepth != 1:
        layout = f"of a volume, {page.imagedepth} slices deep"
    elif page.dtype is None or page.dtype.kind not in "buif":
        layout = f"of {page.bitspersample}-bit samples of an unusual kind"
    elif photometric is PHOTOMETRIC.SEPARATED and page.dtype.kind != "u":
        layout = "of inks that are not whole numbers"
    elif photometric is PHOTOMETRIC.PALETTE and page.dtype.kind not in "bu":
        layout = "of palette entries that are not whole numbers"
    elif page.is_tiled and max(page.tilewidth, page.tilelength) > MAX_TILE_SIDE:
        layout = f"of tiles of {page.tilewidth}×{page.tilelength} px"
    elif page.compression not in _COMPRESSIONS:
        layout = _compression(page)
    elif page.compression != COMPRESSION.JPEG and page.dtype.kind not in _PREDICTORS.get(page.predictor, ""):
        layout = f"of the predictor {page.predictor}"
    elif page.compression == COMPRESSION.NONE and page.predictor != 1:  # some readers apply it, others do not
        layout = "of a predictor without compression"
    elif is_subsampled(page) and _is_odd(page):
        layout = "of subsampled colour in an unusual layout"
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, f"a TIFF {layout}: write it with ffmpeg's -pix_fmt gray")
    elif not is_subsampled(page) and not _is_decoded(page):
        layout = "of an unusual layout"
    else:
        return
    raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, f"a TIFF {layout}: convert it to plain grey or RGB")


def _compression(page: TiffPage) -> str:
    known = page.compression in COMPRESSION.__members__.values()
    return f"compressed by {COMPRESSION(page.compression).name}" if known else "of an unusual compression"


def _is_odd(page: TiffPage) -> bool:
    steps = page.subsampling or (2, 2)
    usual = len(steps) == 2 and all(step in (1, 2, 4) for step in steps) and page.bitspersample in (8, 16)
    return not usual or page.planarconfig != 1 or page.predictor != 1 or page.samplesperpixel != 3


def _is_decoded(page: TiffPage) -> bool:
    """Whether the library has a decoder for the layout; it says so where it is asked for one."""
    try:
        page.decode(None, 0)
    except (ValueError, NotImplementedError):
        return False
    return True
