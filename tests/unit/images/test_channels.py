"""Channels, colours, alpha: what is taken of them, and that what is left out is told."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import ImageError, UsageError
from shared.images.channel_choice import channel_of
from shared.images.channels import Layout, Rendering
from shared.images.codec import decode
from shared.images.decoded import DecodeLimits
from shared.images.grey import luma
from shared.images.readers.tiff import Picture
from shared.synth import synthesise
from tests.corpus.scenes import picture
from tests.corpus.tiffs import tiff

LIMITS = DecodeLimits(min_side=16, max_side=4096)
A = picture(96, 80, seed=1)
OTHER, BLANK = A[::-1, ::-1], np.zeros_like(A)
LAYOUTS = ("contig", "separate")


def read(data):
    """Decode; a TIFF by windows, too, and alike."""
    image = decode(data, limits=LIMITS)
    if data[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(BytesIO(data)) as file:
            taken = Picture(file, data, LIMITS)
            np.testing.assert_array_equal(np.concatenate(list(taken.bands_of_pixels())), image.pixels)
            assert taken.note == image.note
    return image


def channels(*planes, planar="contig", **options):
    stacked = np.stack(planes, axis=-1 if planar == "contig" else 0)
    return tiff(stacked, planarconfig=planar, **options)


def png(pixels, **options):
    buffer = BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("planar", LAYOUTS)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_the_first_of_several_channels_is_taken_and_told(count, planar):
    for options in ({}, {"tile": (32, 32), "compression": "zlib"}):
        image = read(channels(A, *[OTHER] * (count - 1), planar=planar, **options))
        np.testing.assert_array_equal(image.pixels, A)
        assert image.note == f"channels: channel 1 of {count}, the rest is left out"


@pytest.mark.parametrize("planar", LAYOUTS)
def test_blank_channels_are_passed_over(planar):
    image = read(channels(BLANK, BLANK + 7, A, OTHER, planar=planar))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note == "channels: channel 3 of 4, those before it are blank"
    assert read(channels(BLANK, BLANK, planar=planar)).note == "channels: channel 1 of 2, and all are blank"


def test_a_fourth_channel_of_colours_that_is_no_alpha_is_told():
    infrared = {"photometric": "rgb", "extrasamples": ["unspecified"]}
    image = read(channels(OTHER, OTHER, OTHER, A, **infrared))
    np.testing.assert_array_equal(image.pixels, luma(np.stack([OTHER] * 3, -1)))
    assert image.note == "channels: channels 1 to 3 of 4, the rest is left out"
    image = read(channels(BLANK, BLANK, BLANK, A, **infrared))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note == "channels: channel 4 of 4, those before it are blank"


def opaque(*planes):
    return np.dstack([*planes, BLANK + 255])


def webp(pixels):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True)
    return buffer.getvalue()


def bmp(rgba):
    """32 bits with a mask for alpha, which Pillow does not write."""
    height, width = rgba.shape[:2]
    pixels = rgba[::-1, :, [2, 1, 0, 3]].tobytes()
    numbers = [(124, 4), (width, 4), (height, 4), (1, 2), (32, 2), (3, 4), (len(pixels), 4)]
    header = b"".join(number.to_bytes(size, "little") for number, size in numbers) + bytes(16)
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    header += masks + b"BGRs" + bytes(64)
    start = (138).to_bytes(4, "little")
    return b"BM" + (138 + len(pixels)).to_bytes(4, "little") + bytes(4) + start + header + pixels


def sixteen(*planes):
    return np.ascontiguousarray(np.dstack(planes).astype(np.uint16) * np.uint16(257))


def alpha_tiff(*planes, kind="unassalpha", **options):
    photometric = "rgb" if len(planes) == 4 else "minisblack"
    return channels(*planes, photometric=photometric, extrasamples=[kind], **options)


STAMPS = {
    "PNG": (lambda: png(np.dstack([BLANK] * 3 + [A])), 255),
    "PNG of grey": (lambda: png(np.dstack([BLANK, A])), 255),
    "PNG of 16 bits": (lambda: imagecodecs.png_encode(sixteen(BLANK, BLANK, BLANK, A)), 65535),
    "PNG of grey of 16 bits": (lambda: imagecodecs.png_encode(sixteen(BLANK, A)), 65535),
    "WebP": (lambda: webp(np.dstack([BLANK] * 3 + [A])), 255),
    "BMP": (lambda: bmp(np.dstack([BLANK] * 3 + [A])), 255),
    "TIFF": (lambda: alpha_tiff(BLANK, BLANK, BLANK, A), 255),
    "TIFF in planes": (lambda: alpha_tiff(BLANK, BLANK, BLANK, A, planar="separate"), 255),
    "TIFF of multiplied colours": (lambda: alpha_tiff(BLANK, BLANK, BLANK, A, kind="assocalpha"), 255),
    "TIFF of grey": (lambda: alpha_tiff(BLANK, A), 255),
    "TIFF of floats": (lambda: alpha_tiff(*(p.astype(np.float32) / 255 for p in (BLANK, A))), 1),
}


@pytest.mark.parametrize("name", STAMPS)
def test_a_picture_in_alpha_alone_is_seen_on_white(name):
    make, white = STAMPS[name]
    pixels = read(make()).pixels
    share = A / 255
    np.testing.assert_allclose(pixels, white * (1 - share), atol=0.51 if white > 1 else 1e-6)


def test_a_palette_with_transparent_entries_is_seen_on_white():
    image = Image.fromarray((A > 99).astype(np.uint8))
    image.putpalette([0] * 6)
    decoded = read(png(image, transparency=0))
    np.testing.assert_array_equal(decoded.pixels, np.where(A > 99, 0, 255))
    assert decoded.note is None


def test_what_is_light_itself_is_seen_on_black_and_that_is_told():
    decoded = read(png(np.dstack([BLANK + 255] * 3 + [A])))
    np.testing.assert_allclose(decoded.pixels, A, atol=1e-3)
    assert decoded.note == "transparency: light on transparent, shown on black"


@pytest.mark.parametrize(
    ("image", "transparent"),
    [(A, int(A[3, 3])), (np.stack([A, OTHER, A], -1), (int(A[3, 3]), int(OTHER[3, 3]), int(A[3, 3])))],
    ids=["grey", "RGB"],
)
def test_one_colour_of_a_png_may_be_transparent(image, transparent):
    decoded = read(png(image, transparency=transparent))
    key = (np.atleast_3d(image) == np.atleast_1d(transparent)).all(axis=2)
    plain = read(png(image)).pixels
    assert (decoded.pixels[key] == 255).all()
    np.testing.assert_array_equal(decoded.pixels[~key], plain[~key])


def test_alpha_of_32_bits():
    wide = [plane.astype(np.uint32) * np.uint32(2**24) for plane in (BLANK, BLANK, BLANK, A)]
    pixels = read(channels(*wide, photometric="rgb", extrasamples=["unassalpha"])).pixels
    np.testing.assert_allclose(pixels / (2**32 - 1), 1 - A / 256, atol=1e-3)


def test_what_alpha_hides_is_told():
    hidden = np.dstack([A, A, A, np.where(A > 60, 0, 255).astype(np.uint8)])
    for data in (png(hidden), alpha_tiff(*np.moveaxis(hidden, -1, 0)), webp(hidden), bmp(hidden)):
        image = read(data)
        assert image.note == "transparency: what lies under transparent parts is not shown, they are white"
        assert (image.pixels[A > 60] == 255).all()


def test_a_picture_that_alpha_hides_altogether_is_taken_and_that_is_told():
    image = read(alpha_tiff(A, BLANK))
    np.testing.assert_array_equal(image.pixels, A)
    assert image.note == "transparency: all of the picture is transparent, and taken as if it were not"
    unused = read(bmp(np.dstack([A, A, A, BLANK])))  # these 8 bits are rarely in use
    np.testing.assert_array_equal(unused.pixels, luma(np.dstack([A, A, A])))
    assert unused.note is None


def test_an_opaque_alpha_changes_nothing():
    plain = luma(np.dstack([A, OTHER, A]))
    for data in (png(opaque(A, OTHER, A)), webp(opaque(A, OTHER, A)), alpha_tiff(A, OTHER, A, BLANK + 255)):
        image = read(data)
        np.testing.assert_array_equal(image.pixels, plain)
        assert image.note is None
    assert read(alpha_tiff(A, BLANK + 255)).pixels.dtype == np.uint8


def red_on_green():
    """Dots whose luma is that of their ground."""
    clean = synthesise(1, noise="none").clean
    share = ((clean - clean.min()) / np.ptp(clean))[..., None]
    colours = np.array((0.15, 0.50, 0.15)) * (1 - share) + np.array((0.90, 0.12, 0.15)) * share
    noisy = colours + np.random.default_rng(0).normal(0, 0.02, colours.shape)
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def jpeg(pixels):
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


COLOURED = {
    "PNG": (png, 0),
    "PNG of 16 bits": (lambda pixels: imagecodecs.png_encode(pixels.astype(np.uint16) * np.uint16(257)), 0),
    "PNG with a palette": (lambda pixels: png(Image.fromarray(pixels).quantize(200)), 10),
    "PNG with an opaque alpha": (lambda pixels: png(np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])), 0),
    "JPEG": (jpeg, 10),
    "WebP": (webp, 0),
    "TIFF": (lambda pixels: tiff(pixels, photometric="rgb", tile=(64, 64), compression="zlib"), 0),
    "TIFF in planes": (lambda pixels: channels(*np.moveaxis(pixels, -1, 0), planar="separate", photometric="rgb"), 0),
}


@pytest.mark.parametrize("name", COLOURED)
def test_the_colour_in_which_there_is_more_to_see_is_taken_and_told(name):
    encode, tolerance = COLOURED[name]
    pixels = red_on_green()
    image = read(encode(pixels))
    assert image.note.startswith("colour: the red channel was taken")
    red = image.pixels / (257.0 if "16" in name else 1)
    assert np.abs(red - pixels[..., 0]).mean() <= tolerance


def test_a_tall_picture_is_decided_on_once():
    tall = np.concatenate([red_on_green()] * 5)
    image = read(png(tall))
    np.testing.assert_array_equal(image.pixels, tall[..., 0])
    assert image.note.startswith("colour: the red channel")


@pytest.mark.parametrize("seed", range(4))
def test_ordinary_colours_are_luma_to_the_last_bit(seed):
    scene = synthesise(seed).image
    for tint in ((1, 1, 1), (1, 0.9, 0.7), (0.2, 0.3, 0.9), (0, 0, 1)):
        pixels = np.rint(scene[..., None] * np.array(tint)).astype(np.uint8)
        for data in (png(pixels), tiff(pixels, photometric="rgb")):
            image = read(data)
            np.testing.assert_array_equal(image.pixels, luma(pixels))
            assert image.note is None


def test_a_rendering_of_a_look_serves_all_of_the_picture():
    pixels = np.dstack([BLANK, A])
    rendering = Rendering.of(pixels[:20], Layout(1, 2, 255.0))
    np.testing.assert_array_equal(rendering.grey(pixels), A)


CHOICES = {"1": 0, "2": 1, "red": 0, "green": 1, "blue": 2}


@pytest.mark.parametrize("encoding", ["png", "tiff", "planar"])
def test_a_channel_that_was_chosen_is_taken_as_it_is_stored(encoding: str) -> None:
    colours = np.random.default_rng(3).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    file = BytesIO()
    if encoding == "png":
        Image.fromarray(colours).save(file, "PNG")
    else:
        planes = colours if encoding == "tiff" else np.moveaxis(colours, 2, 0)
        tifffile.imwrite(file, planes, photometric="rgb", planarconfig="contig" if encoding == "tiff" else "separate")
    taken = {
        choice: decode(file.getvalue(), limits=LIMITS, channel=choice) for choice in (*CHOICES, "mean", "max", "luma")
    }
    for choice, index in CHOICES.items():
        assert np.array_equal(taken[choice].pixels, colours[..., index])
        assert taken[choice].note is None
    assert np.allclose(taken["mean"].pixels, colours.mean(axis=2), atol=1e-3)
    assert np.array_equal(taken["max"].pixels, colours.max(axis=2))
    assert np.allclose(taken["luma"].pixels, colours @ [0.299, 0.587, 0.114], atol=1e-3)
    with pytest.raises(ImageError, match="no channel 4: the picture has 3 channels") as refused:
        decode(file.getvalue(), limits=LIMITS, channel="4")
    assert refused.value.code == "no_such_channel"


def test_a_grey_picture_has_one_channel_and_no_colours() -> None:
    grey = np.random.default_rng(4).integers(0, 255, (40, 50)).astype(np.uint8)
    for suffix in ("PNG", "TIFF", "JPEG"):
        file = BytesIO()
        Image.fromarray(grey).save(file, suffix)
        assert decode(file.getvalue(), limits=LIMITS, channel="1").pixels.shape == (40, 50)
        assert decode(file.getvalue(), limits=LIMITS, channel="mean").pixels.shape == (40, 50)
        with pytest.raises(ImageError, match="no red channel"):
            decode(file.getvalue(), limits=LIMITS, channel="red")


def test_channels_of_a_microscope_are_taken_by_number_and_told_when_nobody_chose() -> None:
    channels = np.random.default_rng(5).integers(0, 9000, (2, 40, 50)).astype(np.uint16)
    file = BytesIO()
    tifffile.imwrite(file, channels, photometric="minisblack", planarconfig="separate", metadata=None)
    assert "channel 1 of 2" in (decode(file.getvalue(), limits=LIMITS).note or "")
    second = decode(file.getvalue(), limits=LIMITS, channel="2")
    assert np.array_equal(second.pixels, channels[1])
    assert second.note is None


@pytest.mark.parametrize("text", ["0", "65", "violet", "", "-1", "²"])
def test_a_channel_that_nothing_can_have_is_refused_before_anything_is_submitted(text: str) -> None:
    with pytest.raises(UsageError, match="channel is"):
        channel_of(text)
