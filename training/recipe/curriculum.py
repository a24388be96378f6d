"""The curriculum: how hard the synthetic samples are in each epoch of a run. Pure."""

from training.config import CurriculumConfig
from training.data.source import NoiseLevel


def noise_in(curriculum: CurriculumConfig, epoch: int, epoch_images: int) -> NoiseLevel:
    """Return the noise of the samples of this epoch (from 1), `epoch_images` long.

    With phases it is that of the first phase that has not ended, and after the last one's end that of the last. Else
    it is the curriculum's own; the severity rises over the first `ramp_images`, and each epoch has the ramp's mean over
    it.
    """
    if curriculum.phases:
        phase = next((phase for phase in curriculum.phases if epoch <= phase.until_epoch), curriculum.phases[-1])
        return NoiseLevel(curriculum.severity * phase.noise_scale, phase.mixed_prob)
    first = (epoch - 1) * epoch_images
    share = _mean_of_ramp(first, first + epoch_images, curriculum.ramp_images)
    scale = curriculum.severity * (curriculum.ramp_start + (1 - curriculum.ramp_start) * share)
    return NoiseLevel(scale, curriculum.mixed_prob)


def phase_name(curriculum: CurriculumConfig, epoch: int) -> str:
    """Name the phase that this epoch lies in; empty where no phase has been set for it."""
    return next((phase.name for phase in curriculum.phases if epoch <= phase.until_epoch), "")


def _mean_of_ramp(first: int, behind: int, length: int) -> float:
    """Return the mean over [first, behind) of a line that rises from 0 at 0 to 1 at `length` and stays there."""
    rising = range(min(first, length), min(behind, length))
    risen = (rising.start + rising.stop) / 2 * len(rising) / length if rising else 0.0
    return (risen + (behind - first) - len(rising)) / (behind - first)
