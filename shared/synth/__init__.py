"""Synthetic scenes of dotblob-v1, the reference benchmark: dot-filled organic blobs under heavy noise.

Numpy alone. Parameters are drawn apart from being applied, always from an explicit generator.
"""

from shared.synth.definition import DOTBLOB_V1, Definition, definition_hash
from shared.synth.noise import (
    ELEMENTARY_KINDS,
    NOISE_KINDS,
    NoiseParameters,
    NoiseStep,
    apply_noise,
    sample_noise,
    snr_db,
)
from shared.synth.sample import Sample, synthesise
from shared.synth.scene import Scene, SceneParameters, render_scene, sample_scene

__all__ = [
    "DOTBLOB_V1",
    "ELEMENTARY_KINDS",
    "NOISE_KINDS",
    "Definition",
    "NoiseParameters",
    "NoiseStep",
    "Sample",
    "Scene",
    "SceneParameters",
    "apply_noise",
    "definition_hash",
    "render_scene",
    "sample_noise",
    "sample_scene",
    "snr_db",
    "synthesise",
]
