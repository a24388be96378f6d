"""What the steps of an item hand on to one another."""

import time
from dataclasses import dataclass
from functools import partial

from shared.errors import ConfigurationError, ItemError, ItemErrorCode, UsageError
from shared.images.channel_choice import AUTO, planes_word
from shared.jobs.records import ClaimedItem
from shared.net.intake import Intake
from shared.net.tiling import TilePlan
from shared.net.witness import Witness
from shared.objects.options import PostProcessing
from worker.batcher import Submit
from worker.leases import HeldClaim
from worker.model_cache import ServedModel


@dataclass(frozen=True, eq=False)
class Work:
    """An item in work: whose claim it is of, what its network is, and since when."""

    item: ClaimedItem
    held: HeldClaim
    model: ServedModel
    started: float  # on the monotonic clock

    @property
    def scale(self) -> float:
        """The factor by which the image is resampled for the network."""
        return self.held.claim.scale

    @property
    def channel(self) -> str:
        """What of the image's channels is taken, see `shared.images.channel_choice`.

        Raises:
            ItemError: the job chooses one, and the model takes several.
        """
        chosen, taken = self.held.claim.channel, self.intake.channels
        if taken == 1:
            return chosen
        if chosen != AUTO:
            reason = f"the job asks for channel {chosen}, and its model takes {taken}: submit without a channel"
            raise ItemError(ItemErrorCode.NO_SUCH_CHANNEL, reason)
        return planes_word(taken)

    @property
    def intake(self) -> Intake:
        """What images the network takes."""
        return self.model.intake

    @property
    def postprocessing(self) -> PostProcessing:
        """What is done to the mask.

        Raises:
            ConfigurationError: a later version asked for something that this one cannot do.
        """
        try:
            return PostProcessing.parse(self.held.claim.postprocessing)
        except UsageError as error:
            raise ConfigurationError(str(error)) from error

    @property
    def threshold(self) -> float:
        """From which probability on a pixel is foreground: as the job asks, else as the model says."""
        asked = self.held.claim.threshold
        return self.model.threshold if asked is None else asked

    @property
    def submit(self) -> Submit:
        """A function that queues a tile for the network, before others where the claim is urgent."""
        return partial(self.model.batcher.submit, urgent=self.held.is_urgent)

    def witness(self, plan: TilePlan) -> Witness:
        """Return what watches the answers of the network to an image's tiles."""
        return Witness(self.model.scores, plan, self.model.threshold, cut_at=self.threshold)

    @property
    def seconds(self) -> float:
        """Time since it was begun."""
        return time.monotonic() - self.started
