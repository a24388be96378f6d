"""What happens to an image of field-v1, apart from its noise: uneven light, and files, pages and cameras.

Effects of light come before the noise, and take and give float32 (H, W), intensities around [0, 1]; those of levels
come after it, on uint8. What they draw comes from the scene's own seed. Pillow is loaded where it is needed.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.synth.field.steps import Step

Light = NDArray[np.float32]
Levels = NDArray[np.uint8]
LightEffect = Callable[[Light, Sequence[float], np.random.Generator], NDArray[Any]]
LevelEffect = Callable[[Levels, Sequence[float], np.random.Generator], Levels]

_TEXT = "Sample 07  x40  20 um  delineate 2026"


def apply_to_light(image: Light, steps: Sequence[Step], rng: np.random.Generator) -> Light:
    """Apply steps of light in their order; float32 (H, W)."""
    for step in steps:
        image = LIGHT_EFFECTS[step.kind](image, step.values, rng).astype(np.float32, copy=False)
    return image


def apply_to_levels(image: Levels, steps: Sequence[Step], rng: np.random.Generator) -> Levels:
    """Apply steps of levels in their order; uint8 (H, W)."""
    for step in steps:
        image = LEVEL_EFFECTS[step.kind](image, step.values, rng)
    return image


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], correlation_px: float) -> Light:
    """Draw Gaussian noise blurred with a Gaussian of σ = `correlation_px`, of unit deviation; float32."""
    frequency = np.fft.rfftfreq(shape[1])[None, :] ** 2 + np.fft.fftfreq(shape[0])[:, None] ** 2
    filtered = np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) * np.exp(
        -2 * (np.pi * correlation_px) ** 2 * frequency
    )
    field: Light = np.fft.irfft2(filtered, shape).astype(np.float32)
    field /= max(float(field.std()), 1e-6)
    return field


def _places(shape: tuple[int, ...]) -> tuple[Light, Light]:
    """(y, x) of the pixels' centres as shares of the sides, (H, 1) and (1, W)."""
    y, x = ((np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) for side in shape)
    return y[:, None], x[None, :]


def _ramp(image: Light, values: Sequence[float], _rng: np.random.Generator) -> NDArray[Any]:
    """A plane of `rise` from one side to the other, towards `angle`."""
    rise, angle = values
    y, x = _places(image.shape)
    return image + np.float32(rise) * ((x - 0.5) * np.float32(np.cos(angle)) + (y - 0.5) * np.float32(np.sin(angle)))


def _vignette(image: Light, values: Sequence[float], _rng: np.random.Generator) -> NDArray[Any]:
    """Darker by the share `depth` in the corners, with the square of the distance from (x, y)."""
    depth, cx, cy = values
    y, x = _places(image.shape)
    away = np.minimum(((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2) / 0.5, np.float32(1.2))
    return image * (1 - np.float32(depth) * away)


def _patch(image: Light, values: Sequence[float], _rng: np.random.Generator) -> NDArray[Any]:
    """A Gaussian patch of light of `height` at (x, y), its σ a share of the sides."""
    rise, cx, cy, sx, sy = values
    y, x = _places(image.shape)
    along_x = np.exp(-(((x - np.float32(cx)) / np.float32(sx)) ** 2) / 2)
    along_y = np.exp(-(((y - np.float32(cy)) / np.float32(sy)) ** 2) / 2)
    return image + np.float32(rise) * (along_y * along_x)


def _clouds(image: Light, values: Sequence[float], rng: np.random.Generator) -> Light:
    """A field whose amplitude falls as 1/f^exponent, of `deviation`: clouds, glow, tissue."""
    deviation, exponent = values
    shape = image.shape
    frequency = np.hypot(np.fft.rfftfreq(shape[1])[None, :] * shape[1], np.fft.fftfreq(shape[0])[:, None] * shape[0])
    amplitude = np.where(frequency > 0, np.maximum(frequency, 1.0) ** -exponent, 0.0)
    field: Light = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) * amplitude, shape).astype(
        np.float32
    )
    return image + np.float32(deviation / max(float(field.std()), 1e-9)) * field


def _stripes(image: Light, values: Sequence[float], _rng: np.random.Generator) -> NDArray[Any]:
    """Waves of light of `height`, `period` pixels long, towards `angle`."""
    rise, period, angle, phase = values
    y, x = _places(image.shape)
    turns_x, turns_y = image.shape[1] * np.cos(angle) / period, image.shape[0] * np.sin(angle) / period
    wave = np.sin(np.float32(2 * np.pi * turns_x) * x + np.float32(2 * np.pi * turns_y) * y + np.float32(phase))
    return image + np.float32(rise / 2) * wave


def _lumpy(image: Light, values: Sequence[float], rng: np.random.Generator) -> Light:
    """Gaussian noise of `sigma` whose neighbours hang together over `correlation` pixels."""
    sigma, correlation = values
    return image + np.float32(sigma) * smooth_field(rng, image.shape, correlation)


def _rows(image: Light, values: Sequence[float], rng: np.random.Generator) -> Light:
    return image + np.float32(values[0]) * rng.standard_normal((image.shape[0], 1), dtype=np.float32)


def _columns(image: Light, values: Sequence[float], rng: np.random.Generator) -> Light:
    return image + np.float32(values[0]) * rng.standard_normal((1, image.shape[1]), dtype=np.float32)


def _banding(image: Light, values: Sequence[float], rng: np.random.Generator) -> Light:
    """Bands of `rows` rows, each lifted by its own offset."""
    sigma, rows = values
    offsets: Light = np.float32(sigma) * rng.standard_normal(image.shape[0] // int(rows) + 1, dtype=np.float32)
    return image + np.repeat(offsets, int(rows))[: image.shape[0], None]


LIGHT_EFFECTS: dict[str, LightEffect] = {
    "ramp": _ramp,
    "vignette": _vignette,
    "patch": _patch,
    "clouds": _clouds,
    "stripes": _stripes,
    "lumpy": _lumpy,
    "rows": _rows,
    "columns": _columns,
    "banding": _banding,
}


def _median(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(image).filter(ImageFilter.MedianFilter(int(values[0]))))


def _blur(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(values[0])))


def _jpeg(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(values[0]))
    return np.asarray(Image.open(file))


def _resampled(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """The image as another size had it: shown at its own number of pixels again (bicubic both ways)."""
    from PIL import Image

    height, width = image.shape
    small = (max(round(width * values[0]), 8), max(round(height * values[0]), 8))
    return np.asarray(
        Image.fromarray(image).resize(small, Image.Resampling.BICUBIC).resize((width, height), Image.Resampling.BICUBIC)
    )


def _stretch(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """Contrast stretched so that the shares `low` and `high` of the pixels saturate."""
    low, high = np.quantile(image, [values[0], 1 - values[1]])
    table: Levels = np.clip((np.arange(256) - low) * (255 / max(high - low, 1.0)), 0, 255).astype(np.uint8)
    return table[image]


def _gamma(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    table = np.rint(255 * (np.arange(256) / 255) ** values[0]).astype(np.uint8)
    return table[image]


def _depth(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """Fewer levels: `levels` of them."""
    steps = values[0] - 1
    table = np.rint(np.rint(np.arange(256) / 255 * steps) / steps * 255).astype(np.uint8)
    return table[image]


def _invert(image: Levels, _values: Sequence[float], _rng: np.random.Generator) -> Levels:
    return np.uint8(255) - image


def _frame(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """A border of one value: thickness of top, right, bottom, left in pixels."""
    level, *sides = (int(value) for value in values)
    top, right, bottom, left = sides
    framed = np.full_like(image, level)
    height, width = image.shape
    framed[top : height - bottom, left : width - right] = image[top : height - bottom, left : width - right]
    return framed


def _bar(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """A scale bar of one value: x, y, width and height in pixels."""
    level, x, y, width, height = (int(value) for value in values)
    marked = image.copy()
    marked[y : y + height, x : x + width] = level
    return marked


def _text(image: Levels, values: Sequence[float], _rng: np.random.Generator) -> Levels:
    """A line of text of one value at (x, y), its height in pixels."""
    from PIL import Image, ImageDraw, ImageFont

    level, x, y, size = values
    page = Image.fromarray(image)
    ImageDraw.Draw(page).text((x, y), _TEXT, fill=int(level), font=ImageFont.load_default(size))
    return np.asarray(page)


def _hot(image: Levels, values: Sequence[float], rng: np.random.Generator) -> Levels:
    """A share of the pixels at the brightest level."""
    marked = image.copy()
    marked[rng.random(image.shape, dtype=np.float32) < values[0]] = 255
    return marked


def _dead(image: Levels, values: Sequence[float], rng: np.random.Generator) -> Levels:
    """A number of columns of one level each."""
    marked = image.copy()
    columns = rng.integers(image.shape[1], size=int(values[0]))
    marked[:, columns] = rng.integers(256, size=len(columns), dtype=np.uint8)
    return marked


def _scratch(image: Levels, values: Sequence[float], rng: np.random.Generator) -> Levels:
    """A number of bright lines and fibres, one to three pixels wide."""
    from PIL import Image, ImageDraw

    page = Image.fromarray(image)
    draw = ImageDraw.Draw(page)
    height, width = image.shape
    for _ in range(int(values[0])):
        points = rng.uniform((0, 0), (width, height), (2, 2))
        bend = points.mean(axis=0) + rng.normal(0, 0.1 * width, 2)
        path = [tuple(p) for p in (points[0], bend, points[1])]
        draw.line(path, fill=int(rng.integers(120, 256)), width=int(rng.integers(1, 4)))
    return np.asarray(page)


LEVEL_EFFECTS: dict[str, LevelEffect] = {
    "median": _median,
    "blur": _blur,
    "jpeg": _jpeg,
    "resampled": _resampled,
    "stretch": _stretch,
    "gamma": _gamma,
    "depth": _depth,
    "invert": _invert,
    "frame": _frame,
    "bar": _bar,
    "text": _text,
    "hot": _hot,
    "dead": _dead,
    "scratch": _scratch,
}
