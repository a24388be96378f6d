"""field-v1: the task as real pictures pose it, beside dotblob-v1. See docs/field-v1.md."""

from shared.synth.field.families import FAMILIES, HELD_OUT, TRAINED, Family
from shared.synth.field.parameters import FieldParameters, Outline, Step
from shared.synth.field.sample import FieldSample, render_field, sample_field

__all__ = [
    "FAMILIES",
    "HELD_OUT",
    "TRAINED",
    "Family",
    "FieldParameters",
    "FieldSample",
    "Outline",
    "Step",
    "render_field",
    "sample_field",
]
