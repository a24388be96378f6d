"""The training loop: steps over the source's batches until the budget is spent."""

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from shared.errors import UsageError
from shared.net.architectures import build, in_channels_last
from shared.net.checkpoint import LoadedModel
from shared.net.likelihood import LikelihoodStem
from shared.net.network import Network
from shared.synth import find_definition
from training.config import TrainingConfig
from training.data.source import Batch, DataSource, up_to
from training.recipe.averaging import AveragedWeights, precise_normalisation
from training.recipe.compiling import check_compiler
from training.recipe.curriculum import noise_in
from training.recipe.distributed import DistributedContext
from training.recipe.likelihood import fit
from training.recipe.losses import LossTerms, segmentation_loss
from training.recipe.metrics import RunningMeans
from training.recipe.optimisers import Optimisers
from training.recipe.precision import training_precision
from training.recipe.prefetch import prefetched
from training.recipe.provenance import data_definition
from training.recipe.schedule import loss_weights, lr_factor, progress, warmup_share

if TYPE_CHECKING:
    from torch.distributed.checkpoint.stateful import Stateful

# Of the steps: the loss, its terms, the share of the pixels taken for foreground, and the share that is foreground.
METRICS = (*LossTerms._fields, "foreground", "truth")
_SECONDS_BETWEEN_VOTES, _MOST_STEPS_A_VOTE = 1.0, 100  # of several processes on when to stop
StopAsked = Callable[[], bool]


@dataclass
class Position:
    """Place of a run on its way. `step` counts the steps done in the epoch."""

    epoch: int = 1
    step: int = 0
    images: int = 0
    seconds: float = 0.0  # of wall-clock time, in all the processes that the run has had


class TrainingRun:
    """A network under training, the running average of its weights, and how far it is.

    `net` is the bare network; what it is trained through (compiled, averaging gradients) stays inside.
    """

    def __init__(
        self, config: TrainingConfig, source: DataSource, context: DistributedContext, start: LoadedModel | None = None
    ) -> None:
        self.config = config
        self.source = source
        self.context = context
        self.start = start  # weights to start from, of the config's architecture
        self.data_definition = data_definition(config.data)
        self.position = Position()
        self.stopped = False  # whether the last call of `steps` ended because it was asked to
        device = context.device
        if config.compile:
            check_compiler()
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all batches have one shape
        torch.manual_seed(config.seed)
        net = build(config.model.architecture, config.model.arguments)
        if start is not None:
            _check_same_network(config, start)
            net.load_state_dict(start.net.state_dict())
        self.net: Network = net.to(device)
        if config.channels_last:
            self.net = in_channels_last(self.net)
        self._shared = context.share(self.net)
        self._forward = torch.compile(self._shared) if config.compile else self._shared
        self.average = AveragedWeights(self.net, config.optimiser.ema_decay)
        self.optimisers = Optimisers(self.net, config.optimiser)
        self.dtype = training_precision(config.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.metrics = RunningMeans(METRICS, context)  # since the last record
        self.watch_metrics = RunningMeans(METRICS, context)  # since the last look of the collapse watch
        self._voted_at: float | None = None  # seconds of the run, when the processes last voted
        self._steps_a_vote, self._steps_until_vote = 1, 0
        self._warmup = warmup_share(config)
        if self.steps_per_epoch < 1:
            raise UsageError("an epoch has fewer samples than a step: lower optimiser.batch_size or raise data.samples")

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch."""
        return self.source.batches_per_epoch // self.config.optimiser.accumulation

    @property
    def epoch_images(self) -> int:
        """Images in an epoch, over all processes."""
        return self.steps_per_epoch * self.config.optimiser.batch_size

    @property
    def total_images(self) -> int:
        """Images that the budget allows."""
        budget = self.config.budget
        return budget.max_images or (budget.epochs or 0) * self.epoch_images

    @property
    def done(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        position = self.position
        return progress(position.images, self.total_images, position.seconds / 60, self.config.budget.max_minutes)

    @property
    def at_epoch_end(self) -> bool:
        """Whether the last step was its epoch's last."""
        return self.position.step == self.steps_per_epoch

    @property
    def learning_rate(self) -> float:
        """AdamW's learning rate at the next step."""
        return self.config.optimiser.lr * lr_factor(self.done, self._warmup)

    def fit_likelihood(self, stop_asked: StopAsked = lambda: False) -> bool:
        """Fit the table of a network that has one, before the first step of a new run; return whether there was one.

        See `training.recipe.likelihood`. Of several processes the first one's table counts.

        Args:
            stop_asked: looked at now and then; the fitting ends early where it says so.
        """
        stem = self.net.stem
        if not isinstance(stem, LikelihoodStem) or self.start is not None or self.position.images:
            return False
        started = time.monotonic()
        definition = find_definition(self.config.data.definition)
        fit(stem.likelihood, self.config.likelihood, definition, seed=self.config.seed, stop=stop_asked)
        for fitted in stem.likelihood.state_dict().values():
            self.context.sum(fitted if self.context.is_first else fitted.zero_())
        self.average.net.load_state_dict(self.net.state_dict())
        self.position.seconds += time.monotonic() - started
        return True

    def steps(self, stop_asked: StopAsked = lambda: False) -> Iterator[None]:
        """Train; yield after every step, until the budget is spent.

        Args:
            stop_asked: looked at before every step; where it says so in one of the processes, all end (`stopped`).
        """
        before, started = self.position.seconds, time.monotonic()
        position = self.position
        self.stopped = False
        self._voted_at, self._steps_a_vote, self._steps_until_vote = None, 1, 0
        self.net.train()
        while True:
            noise = noise_in(self.config.curriculum, position.epoch, self.epoch_images)
            parts = self.config.optimiser.accumulation
            batches = self.source.batches(position.epoch, noise, start=position.step * parts)
            wanted = itertools.islice(batches, (self.steps_per_epoch - position.step) * parts)
            # Files are read by other threads; scenes are made on the training device itself.
            ahead = wanted if self.config.data.kind == "synthetic" else prefetched(wanted)
            for step in _grouped(ahead, parts):
                self._agree(before + time.monotonic() - started, stop_asked())
                if self.done >= 1 or self.stopped:
                    return
                self._step(step)
                position.step += 1
                position.images += self.config.optimiser.batch_size
                yield
            if self.done >= 1:
                return
            position.epoch, position.step = position.epoch + 1, 0

    def finished_net(self) -> nn.Module:
        """Copy the averaged weights, as they are scored and saved; where the config says so with precise normalisation.

        Of several processes all call this.
        """
        net = copy.deepcopy(self.average.net)
        images = self.config.optimiser.precise_bn_images // self.context.world_size
        if images:
            precise_normalisation(net, up_to(images, self.source.fresh()), self.context.device, self.dtype)
            for name, statistic in net.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    statistic.copy_(self.context.sum(statistic.double()) / self.context.world_size)
        return net

    def pool_metrics(self) -> None:
        """Bring the running metrics of all processes into the first one's, before its state is saved."""
        self.metrics.pool()
        self.watch_metrics.pool()

    def state_dict(self) -> dict[str, Any]:
        """Return all that changes while the run goes on: tensors, and plain values as JSON has them."""
        return {"position": asdict(self.position)} | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, in a run of the same config."""
        self.position = Position(**state_dict["position"])
        for name, part in self._parts().items():
            part.load_state_dict(state_dict[name])

    def _parts(self) -> "dict[str, Stateful]":
        return {
            "net": self.net,
            "average": self.average,
            "optimisers": self.optimisers,
            "scaler": self.scaler,
            "metrics": self.metrics,
            "watch_metrics": self.watch_metrics,
        }

    def _agree(self, seconds: float, stop: bool) -> None:
        """Take the time, and the wish to stop; of several processes all go by the same, about once a second."""
        if self.context.world_size == 1:
            self.position.seconds, self.stopped = seconds, stop
            return
        if self._steps_until_vote:
            self._steps_until_vote -= 1
            return
        first, steps = self.context.is_first, 1
        if self._voted_at is not None:
            a_step = (seconds - self._voted_at) / self._steps_a_vote
            steps = min(max(round(_SECONDS_BETWEEN_VOTES / max(a_step, 1e-9)), 1), _MOST_STEPS_A_VOTE)
        said, wishes, most = self.context.vote(seconds * first, float(stop), float(steps * first))
        self.position.seconds, self.stopped = said, wishes > 0
        self._voted_at, self._steps_a_vote = seconds, int(most)
        self._steps_until_vote = self._steps_a_vote - 1

    def _step(self, parts: Sequence[Batch]) -> None:
        config = self.config
        # Dropout draws from the step's own stream, so that a resumed run draws what it would have drawn.
        torch.manual_seed((config.seed << 44) + (self.position.images << 10) + self.context.rank)
        weights = loss_weights(config.loss, self.done, self.position.epoch)
        self.optimisers.set_rates(lr_factor(self.done, self._warmup))
        self.optimisers.zero_grad()
        for number, (images, masks) in enumerate(parts, 1):
            with self._averaging_gradients(number == len(parts)):
                with torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    logits = self._forward(images)
                terms = segmentation_loss(logits.float(), masks, weights)
                self.scaler.scale(terms.total / len(parts)).backward()  # type: ignore[no-untyped-call]
            self._count(terms, logits, masks)
        self.optimisers.step(self.scaler, config.optimiser.clip_norm)
        self.average.update()

    def _averaging_gradients(self, is_last_part: bool) -> AbstractContextManager[Any]:
        """Let the processes average their gradients once a step, with its last part."""
        if isinstance(self._shared, DistributedDataParallel) and not is_last_part:
            return self._shared.no_sync()
        return nullcontext()

    @torch.no_grad()
    def _count(self, terms: LossTerms, logits: Tensor, masks: Tensor) -> None:
        values = torch.stack([*terms, (logits > 0).float().mean(), masks.mean()])
        self.metrics.update(values)
        self.watch_metrics.update(values)


def _grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Group the batches into lists of `size`; a last list that is not full is left out."""
    while len(group := list(itertools.islice(batches, size))) == size:
        yield group


def _check_same_network(config: TrainingConfig, start: LoadedModel) -> None:
    wanted = (config.model.architecture, config.model.arguments)
    found = (start.metadata.architecture, start.metadata.arguments)
    # Attention that leaves padding out has the same weights as one that does not.
    alike = [(name, {**arguments, "knows_padding": False}) for name, arguments in (wanted, found)]
    if alike[0] != alike[1]:
        raise UsageError(f"the config trains {wanted}, the checkpoint to start from holds {found}: make them equal")
