"""The dotblob tasks: one organic blob filled with dots; and the numbers of dotblob-v1, the reference benchmark."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.synth.blobs import BlobOutline, blob_mask, is_accepted, sample_control_points
from shared.synth.definition import Definition
from shared.synth.dots import render_dots, sample_centres
from shared.synth.kinds import GAUSSIAN, POISSON, SALT_PEPPER, SPECKLE
from shared.synth.scene import Point, Scene, check_scene_request


@dataclass(frozen=True)
class DotBlobScene:
    """The `SceneParameters` of a blob filled with dots. Points are (x, y) in pixels."""

    size: int
    control_points: tuple[Point, ...]
    dot_centres: tuple[Point, ...]
    dot_radii: tuple[float, ...]  # px
    dot_amplitudes: tuple[float, ...]
    jitter: float  # std of the dots' displacement, as a share of the canvas side
    background: float
    contrast: float

    def to_dict(self) -> dict[str, Any]:
        """See `SceneParameters`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the inverse of `to_dict`, also after a passage through JSON."""
        return cls(
            size=int(data["size"]),
            control_points=_points(data["control_points"]),
            dot_centres=_points(data["dot_centres"]),
            dot_radii=tuple(float(r) for r in data["dot_radii"]),
            dot_amplitudes=tuple(float(a) for a in data["dot_amplitudes"]),
            jitter=float(data["jitter"]),
            background=float(data["background"]),
            contrast=float(data["contrast"]),
        )

    def render(self) -> Scene:
        """Return the clean image, b + c · max over the dots of their amplitude, and the filled contour."""
        dots = render_dots(
            np.array(self.dot_centres, dtype=np.float64).reshape(-1, 2),
            np.array(self.dot_radii, dtype=np.float64),
            np.array(self.dot_amplitudes, dtype=np.float64),
            (self.size, self.size),
        )
        clean = np.float32(self.background) + np.float32(self.contrast) * dots
        return Scene(clean, blob_mask(np.array(self.control_points, dtype=np.float64), self.size))

    def own_noise(self, severity: float) -> None:
        """See `SceneParameters`; any noise fits a blob."""

    def finish(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `SceneParameters`; nothing comes after the noise."""
        return image


@dataclass(frozen=True, kw_only=True)
class DotBlob(Definition, BlobOutline):
    """A definition whose scenes are one blob each."""

    def sample_scene(
        self, rng: np.random.Generator, *, size: int, num_dots: int | None = None, jitter: float | None = None
    ) -> DotBlobScene:
        """See `Definition`; a blob whose area is out of range is drawn again."""
        check_scene_request(size, num_dots, jitter)
        while True:
            control_points = sample_control_points(rng, size, self, self.margin_px)
            mask = blob_mask(control_points, size)
            if is_accepted(mask, self.area_share):
                break
        # Drawn even when replaced, so that a fixed number of dots keeps the seed's blob, background and contrast.
        drawn_dots = int(rng.integers(*self.dots, endpoint=True))
        drawn_jitter = rng.uniform(*self.jitter)
        background = rng.uniform(*self.background)
        contrast = rng.uniform(*self.contrast)
        count = drawn_dots if num_dots is None else num_dots
        jitter = drawn_jitter if jitter is None else jitter
        centres = sample_centres(rng, mask, count, jitter * size)
        return DotBlobScene(
            size=size,
            control_points=_points(control_points.tolist()),
            dot_centres=_points(centres.tolist()),
            dot_radii=tuple(rng.uniform(*self.dot_radius_px, count).tolist()),
            dot_amplitudes=tuple(rng.uniform(*self.amplitude, count).tolist()),
            jitter=jitter,
            background=background,
            contrast=contrast,
        )


def _points(pairs: Iterable[Sequence[float]]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in pairs)


DOTBLOB_V1 = DotBlob(
    name="dotblob-v1",
    canvas_px=512,
    margin_px=8.0,
    area_share=(0.03, 0.45),
    control_points=(5, 15),
    angle_jitter=0.35,
    base_radius=(0.16, 0.34),
    radius_factor=(0.6, 1.3),
    dots=(15, 80),
    jitter=(0.0, 0.02),
    dot_radius_px=(2.0, 6.0),
    amplitude=(0.6, 1.0),
    background=(0.05, 0.25),
    contrast=(0.5, 0.75),
    kinds=(GAUSSIAN, POISSON, SPECKLE, SALT_PEPPER),
    mixed_kinds=(2, 3),
    mixed_prob=0.6,
)
