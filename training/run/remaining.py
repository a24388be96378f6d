"""How long a run still takes: its steps, the validations among them, and all that comes after the last step."""

from dataclasses import dataclass

from training.config import TrainingConfig

_FORWARD = 1 / 3  # of a training step's time, of what only runs the network
_DRAWING_SECONDS = 4.0  # the pictures at the end
_MEMORY = 0.9  # of the time of a step, for that of the next one


@dataclass
class Remaining:
    """An estimate that follows what steps and validations take."""

    config: TrainingConfig
    held_out: int  # images that a validation scores
    seconds_per_image: float | None = None
    validation_seconds: float | None = None

    def stepped(self, images: int, seconds: float) -> None:
        """Take note of images that were trained on, and of the seconds that they took."""
        taken = seconds / max(images, 1)
        before = taken if self.seconds_per_image is None else self.seconds_per_image
        self.seconds_per_image = _MEMORY * before + (1 - _MEMORY) * taken

    def validated(self, seconds: float) -> None:
        """Take note of what a validation took."""
        self.validation_seconds = seconds

    def seconds(self, images: int, total_images: int, epoch_images: int, seconds: float) -> float | None:
        """Return the seconds until all is done; None before the first step.

        Args:
            images: seen.
            total_images: of the budget.
            epoch_images: of an epoch.
            seconds: of the run so far, validations included.
        """
        if self.seconds_per_image is None:
            return None
        config, validation = self.config, self._validation(self.seconds_per_image)
        training = max(total_images - images, 0) * self.seconds_per_image
        every = config.validation.every_minutes
        among = training / (60 * every) if every else max(total_images - images, 0) / epoch_images
        left = training + int(among) * validation
        if config.budget.max_minutes is not None:
            left = min(left, max(60 * config.budget.max_minutes - seconds, 0.0))
        after = config.calibration.images * _FORWARD + config.familiarity.scenes
        return left + validation + after * self.seconds_per_image + _DRAWING_SECONDS

    def _validation(self, per_image: float) -> float:
        if self.validation_seconds is not None:
            return self.validation_seconds
        return (self.held_out + self.config.optimiser.precise_bn_images) * per_image * _FORWARD


def in_words(seconds: float | None) -> str:
    """Return "about 12 min left", or nothing where it is not known yet."""
    if seconds is None:
        return ""
    minutes = seconds / 60
    if minutes < 1:
        return f"about {max(round(seconds / 5) * 5, 5)} s left"
    return f"about {minutes:.0f} min left" if minutes < 120 else f"about {minutes / 60:.1f} h left"
