"""prepare: frames out, uneven ground away, everything else as `standardise` leaves it."""

import numpy as np
import pytest

from shared.images.normalise import standardise
from shared.images.preparation import InMemory, Preparation, prepare
from shared.synth import synthesise

_SIDE = 512


def camera(seed):
    """A scene with a camera's noise, in [0, 1] but for the noise, float64."""
    noise = np.random.default_rng(seed).normal(0, 0.08, (_SIDE, _SIDE))
    return synthesise(seed, noise="none").clean * 0.8 + 0.1 + noise


def eight_bits(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def clouds(seed):
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.fftfreq(_SIDE))
    frequency[0, 0] = np.inf
    phases = np.random.default_rng(seed).random((_SIDE, _SIDE))
    field = np.fft.ifft2(frequency**-1.5 * np.exp(2j * np.pi * phases)).real
    return field / field.std()


_ROWS, _COLUMNS = np.mgrid[:_SIDE, :_SIDE] / _SIDE
GROUNDS = {
    "ramp 20 %": 0.2 * _COLUMNS,
    "ramp 60 %": 0.3 * (_ROWS + _COLUMNS),
    "patch 30 %": 0.3 * np.exp(-((_ROWS - 0.3) ** 2 + (_COLUMNS - 0.6) ** 2) / 0.05),
    "clouds 5 %": 0.05 * clouds(0),
    "vignetting": -0.6 * ((_ROWS - 0.5) ** 2 + (_COLUMNS - 0.5) ** 2),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("severity", [None, 0.25, 0.5, 1.0])
def test_scenes_of_the_benchmark_are_standardised_and_no_more(severity, seed):
    sample = synthesise(seed, noise="none") if severity is None else synthesise(seed, severity=severity)
    prepared = prepare(sample.image)
    assert (prepared.flattened, prepared.framed, prepared.constant) == (False, 0.0, False)
    assert prepared.description == "standardise-v2"
    np.testing.assert_array_equal(prepared.image, standardise(sample.image))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0, 0.05])
def test_a_shape_of_many_dots_is_not_taken_for_uneven_ground(noise, seed):
    clean = synthesise(seed, num_dots=400, noise="none").clean
    image = eight_bits(clean + noise * np.random.default_rng(seed).standard_normal(clean.shape))
    assert not prepare(image).flattened


@pytest.mark.parametrize("name", GROUNDS)
def test_uneven_ground_is_taken_away_and_the_scene_is_left(name):
    even = camera(1)
    prepared = prepare((even + GROUNDS[name]).astype(np.float32))
    assert prepared.flattened
    assert prepared.description == "standardise-v2, ground flattened"
    expected = standardise(even.astype(np.float32))
    unflattened = standardise((even + GROUNDS[name]).astype(np.float32))
    assert np.corrcoef(prepared.image.ravel(), expected.ravel())[0, 1] > 0.97
    assert np.abs(prepared.image - expected).mean() < 0.5 * np.abs(unflattened - expected).mean()


def test_dots_on_uneven_ground_are_not_carved():
    sample = synthesise(2, num_dots=80, noise="none")
    bare = synthesise(2, num_dots=1, noise="none").clean.min()
    noise = np.random.default_rng(0).normal(0, 0.05, (_SIDE, _SIDE))
    prepared = prepare((sample.clean + noise + GROUNDS["ramp 60 %"]).astype(np.float32))
    ground = (sample.clean == bare) & sample.mask
    outside = (sample.clean == bare) & ~sample.mask
    assert prepared.flattened
    assert abs(prepared.image[ground].mean() - prepared.image[outside].mean()) < 0.1


def bordered(image, value, width):
    framed = image.copy()
    framed[:width] = framed[-width:] = framed[:, :width] = framed[:, -width:] = value
    return framed


@pytest.mark.parametrize("width", [12, 70])
@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("scene", ["clean", "noisy"])
def test_a_frame_becomes_padding_and_counts_for_nothing(scene, value, width):
    image = synthesise(3, noise="none").image if scene == "clean" else eight_bits(camera(3) + 0.1)
    prepared = prepare(bordered(image, value, width))
    inner = slice(width, -width)
    assert prepared.framed == pytest.approx(1 - ((_SIDE - 2 * width) / _SIDE) ** 2)
    assert prepared.description == "standardise-v2, frame left out"
    np.testing.assert_allclose(prepared.image[inner, inner], standardise(image[inner, inner]), atol=1e-5)
    assert not prepared.image[:width].any()
    assert not prepared.image[:, -width:].any()


def test_a_margin_on_one_side_and_a_frame_of_two_values_are_left_out():
    image = eight_bits(camera(4) + 0.1)
    image[:30] = 255
    image[-20:] = 0
    assert prepare(image).framed == pytest.approx(50 / _SIDE)


@pytest.mark.parametrize("outline", ["turned", "round"])
def test_the_corners_of_a_turned_scan_and_of_a_round_aperture_are_left_out(outline):
    rows, columns = np.mgrid[:_SIDE, :_SIDE] - 255.5
    across, along = columns + 0.2 * rows, rows - 0.2 * columns
    corners = np.maximum(abs(across), abs(along)) > 260 if outline == "turned" else np.hypot(rows, columns) > 256
    image = eight_bits(camera(5) + 0.1)
    image[corners] = 255
    prepared = prepare(image)
    assert prepared.framed == pytest.approx(corners.mean(), abs=0.002)
    assert not prepared.image[corners].any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dots", [1, 3, 40, 400])
def test_a_saturated_ground_is_not_a_frame(dots, seed):
    image = synthesise(seed, num_dots=dots, noise="none").image
    saturated = np.where(image == image.min(), 0, image)
    for scene in (image, saturated.astype(np.uint8), 255 - image):
        assert prepare(scene).framed == 0


def test_noise_that_is_mostly_one_value_is_not_a_frame():
    rng = np.random.default_rng(0)
    for share in (0.3, 0.7, 0.9, 0.97, 0.999):
        image = np.where(rng.random((_SIDE, _SIDE)) < share, 0, rng.integers(1, 255, (_SIDE, _SIDE))).astype(np.uint8)
        assert prepare(image).framed == 0


@pytest.mark.parametrize("slope", [_COLUMNS, _ROWS, _ROWS + _COLUMNS])
def test_a_slope_without_noise_is_not_a_frame(slope):
    assert prepare(eight_bits(0.4 * slope + synthesise(6, noise="none").clean * 0.3)).framed == 0


def test_what_the_file_excludes_is_padding():
    image = eight_bits(camera(6))
    excluded = np.zeros(image.shape, dtype=bool)
    excluded[100:200, 300:500] = True
    damaged = np.where(excluded, 0, image).astype(np.uint8)
    prepared = prepare(damaged, excluded=excluded)
    assert prepared.framed == pytest.approx(excluded.mean())
    assert not prepared.image[excluded].any()
    expected = (image - image[~excluded].mean()) / image[~excluded].std()
    np.testing.assert_allclose(prepared.image[~excluded], expected[~excluded], atol=1e-4)


def test_pixels_that_are_not_finite_are_padding():
    image = camera(7).astype(np.float32)
    image[3, 4], image[10:90, 10:90] = np.inf, np.nan
    prepared = prepare(image)
    assert np.isfinite(prepared.image).all()
    assert prepared.framed == pytest.approx((80**2 + 1) / image.size)


@pytest.mark.parametrize("value", [0, 0.1, 255, 3e38])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (200, 300)])
def test_an_image_of_one_value_is_constant(shape, value):
    prepared = prepare(np.full(shape, value, dtype=np.float32))
    assert prepared.constant
    assert not prepared.image.any()


def test_an_image_of_nothing_known_and_a_slope_without_noise_are_constant():
    assert prepare(np.full((50, 60), np.nan, dtype=np.float32)).constant
    assert prepare((GROUNDS["ramp 60 %"] * 1000).astype(np.float32)).constant


@pytest.mark.parametrize("shape", [(1, 600), (600, 1), (16, 16), (95, 97), (33, 500), (513, 700)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_shape_is_prepared(dtype, shape):
    noise = np.random.default_rng(0).integers(0, 200, shape)
    for image in (noise, noise + np.arange(shape[1]) // 4, bordered(noise, 255, 3)):
        prepared = prepare(image.astype(dtype))
        assert prepared.image.shape == shape
        assert prepared.image.dtype == np.float32
        assert np.isfinite(prepared.image).all()


def examples():
    uneven = camera(8) + GROUNDS["clouds 5 %"] * 2
    round_frame = np.hypot(_ROWS - 0.5, _COLUMNS - 0.5) > 0.5
    return {
        "noisy": eight_bits(camera(8)),
        "uneven": eight_bits(uneven),
        "framed": bordered(eight_bits(uneven), 255, 40),
        "round": np.where(round_frame, 255, eight_bits(uneven)).astype(np.uint8),
        "constant": np.full((_SIDE, _SIDE), 7, dtype=np.uint8),
    }


@pytest.mark.parametrize("name", examples())
@pytest.mark.parametrize(
    ("gain", "offset", "dtype"), [(1 / 255, -3, np.float32), (200, 99, np.uint16), (1, 9000, np.uint16)]
)
def test_gain_offset_and_depth_do_not_matter(name, gain, offset, dtype):
    image = examples()[name]
    scanned = prepare((image * np.float64(gain) + offset).astype(dtype))
    prepared = prepare(image)
    assert scanned.description == prepared.description
    np.testing.assert_allclose(scanned.image, prepared.image, atol=2e-4)


@pytest.mark.parametrize("name", examples())
def test_a_window_alone_is_what_it_is_in_the_whole(name):
    image = examples()[name]
    whole, measured = prepare(image), Preparation.of(InMemory(image))
    assert (measured.constant, measured.framed, measured.description) == (
        whole.constant,
        pytest.approx(whole.framed),
        whole.description,
    )
    for row, column, height, width in ((0, 0, 512, 512), (100, 37, 200, 133), (3, 490, 500, 22)):
        part = slice(row, row + height), slice(column, column + width)
        np.testing.assert_allclose(measured.window(image[part], row, column), whole.image[part], atol=1e-5)


def test_an_image_of_many_strips_is_measured_as_one():
    even = np.tile(eight_bits(camera(9)), (4, 5))[:1900, :2300] // 2
    image = even + np.linspace(0, 120, 2300).astype(np.uint8)
    whole, measured = prepare(image), Preparation.of(InMemory(image))
    assert whole.flattened
    np.testing.assert_allclose(
        measured.window(image[900:1700, 1400:], 900, 1400), whole.image[900:1700, 1400:], atol=1e-5
    )
    assert np.abs((whole.image - standardise(even)).mean(axis=0)).max() < 0.1


def test_the_input_is_left_alone():
    for image in examples().values():
        before = image.copy()
        prepare(image)
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("period", [2, 3, 5, 8, 16, 40])
@pytest.mark.parametrize("duty", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("scale", [1, 4])
def test_stripes_that_leave_no_ground_to_be_seen_are_prepared_all_the_same(period: int, duty: float, scale: int):
    bright = np.arange(256) % (period * scale) < duty * period * scale
    smooth = np.convolve(np.where(bright, 200.0, 20.0), np.ones(scale) / scale, "same").astype(np.float32)
    prepared = prepare(np.ascontiguousarray(np.broadcast_to(smooth, (256, 256))))
    assert np.isfinite(prepared.image).all()
    assert prepared.constant or 0.3 < prepared.image.std() < 1.3
