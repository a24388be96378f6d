"""Synthetic scenes of a task, found by name: dot-filled shapes under heavy noise.

dotblob-v1 is the reference benchmark. Numpy alone. Parameters are drawn apart from being applied, always from an
explicit generator.
"""

from shared.synth.definition import Definition, definition_hash
from shared.synth.definitions import DEFAULT_DEFINITION, DEFINITIONS, find_definition
from shared.synth.kinds import KINDS, NOISE_LABELS, NoiseKind
from shared.synth.noise import NoiseParameters, NoiseStep, apply_noise, sample_noise, snr_db
from shared.synth.sample import Sample, render_sample, synthesise, synthesise_family
from shared.synth.scene import Scene, SceneParameters

__all__ = [
    "DEFAULT_DEFINITION",
    "DEFINITIONS",
    "KINDS",
    "NOISE_LABELS",
    "Definition",
    "NoiseKind",
    "NoiseParameters",
    "NoiseStep",
    "Sample",
    "Scene",
    "SceneParameters",
    "apply_noise",
    "definition_hash",
    "find_definition",
    "render_sample",
    "sample_noise",
    "snr_db",
    "synthesise",
    "synthesise_family",
]
