"""The numbers of dotblob-v1, the benchmark's scene and noise distribution, in one table.

A change of any number is a new benchmark under a new name: `definition_hash` is stored in every checkpoint,
so that a model trained on one definition is never scored on another by accident.
"""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Definition:
    """Ranges are (low, high) of uniform draws; lengths are shares of the canvas side or pixels, as named."""

    name: str = "dotblob-v1"
    canvas_px: int = 512

    # blob
    control_points: tuple[int, int] = (5, 15)  # both ends included
    angle_jitter: float = 0.35  # of the angle between neighbours, either way
    base_radius: tuple[float, float] = (0.16, 0.34)  # of the canvas side
    radius_factor: tuple[float, float] = (0.6, 1.3)  # of the base radius, drawn for each control point
    margin_px: float = 8.0  # between the contour and the canvas's edge
    area_share: tuple[float, float] = (0.03, 0.45)  # of the canvas, else the blob is drawn again

    # dots
    dots: tuple[int, int] = (15, 80)  # both ends included
    jitter: tuple[float, float] = (0.0, 0.02)  # std per axis, of the canvas side, drawn once an image
    dot_radius_px: tuple[float, float] = (2.0, 6.0)
    amplitude: tuple[float, float] = (0.6, 1.0)
    background: tuple[float, float] = (0.05, 0.25)
    contrast: tuple[float, float] = (0.5, 0.75)

    # noise: (value at t = 0, its change up to t = 1), t = severity · U(0, 1)
    gaussian_sigma: tuple[float, float] = (0.02, 1.2)
    poisson_log10_photons: tuple[float, float] = (2.0, -2.5)
    speckle_sigma: tuple[float, float] = (0.1, 1.9)
    salt_pepper_share: tuple[float, float] = (0.01, 0.69)
    mixed_order: tuple[str, ...] = ("poisson", "speckle", "gaussian", "salt_pepper")
    mixed_kinds: tuple[int, int] = (2, 3)  # both ends included
    mixed_prob: float = 0.6


DOTBLOB_V1 = Definition()


def definition_hash(definition: Definition = DOTBLOB_V1) -> str:
    """SHA-256 (hex) of the definition's canonical JSON."""
    canonical = json.dumps(asdict(definition), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
