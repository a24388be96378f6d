"""How hard the synthetic samples are at each point of a run. Pure."""

from typing import NamedTuple

from training.config import DataConfig


class Difficulty(NamedTuple):
    """What a sample's noise is drawn from."""

    severity: float  # noise scale, in [0, 1]
    mixed_prob: float
    clean_share: float


def difficulty_at(config: DataConfig, epoch: int, index: int) -> Difficulty:
    """The noise of the index-th sample of the run, which lies in this epoch (from 1).

    With a curriculum, the first phase that has not ended by this epoch; behind its end, the last one. Else the
    config's own values, the severity in a straight ramp over the first `ramp_images` samples.
    """
    if config.curriculum:
        phase = next((phase for phase in config.curriculum if epoch <= phase.until_epoch), config.curriculum[-1])
        return Difficulty(config.severity * phase.noise_scale, phase.mixed_prob, config.clean_share)
    risen = min(index / config.ramp_images, 1.0) if config.ramp_images else 1.0
    if risen == 1:
        return Difficulty(config.severity, config.mixed_prob, config.clean_share)
    start = config.ramp_start
    return Difficulty(config.severity * (start + (1 - start) * risen), config.mixed_prob, config.clean_share)


def phase_name(config: DataConfig, epoch: int) -> str:
    """The curriculum's phase in this epoch; empty without a curriculum."""
    return next((phase.name for phase in config.curriculum if epoch <= phase.until_epoch), "")
