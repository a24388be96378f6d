"""field-v1: families of scenes, each with one thing that real pictures have and dotblob-v1 has not."""

from shared.synth.field.definition import FIELD_V1, Field
from shared.synth.field.families import FAMILIES, HELD_OUT, TRAINED, Family
from shared.synth.field.outlines import Outline
from shared.synth.field.scene import FieldScene
from shared.synth.field.steps import Step

__all__ = ["FAMILIES", "FIELD_V1", "HELD_OUT", "TRAINED", "Family", "Field", "FieldScene", "Outline", "Step"]
