"""Scenes and noise of a task made in batches on the training device, in torch.

`shared.synth` is the reference in numpy, one sample at a time; the distributions are the same, the samples of a seed
are others. The scenes of a seed are the same on every device up to rounding, the pixels' noise is each device's own.
"""

from training.data.synthesis.batch import SyntheticBatch, synthesise_batch, training_pairs
from training.data.synthesis.wide import wide_picture, wide_tiles

__all__ = ["SyntheticBatch", "synthesise_batch", "training_pairs", "wide_picture", "wide_tiles"]
