"""The training loop: steps over the source's batches until the budget is spent."""

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import update_bn

from shared.errors import UsageError
from shared.net.architectures import build, in_channels_last
from shared.net.checkpoint import LoadedModel
from shared.net.device import resolve_precision
from shared.net.likelihood import LikelihoodStem
from shared.net.network import Network
from shared.synth import find_definition
from training.config import TrainingConfig
from training.data.source import Batch, DataSource
from training.recipe.curriculum import noise_in
from training.recipe.distributed import Processes
from training.recipe.likelihood import fit
from training.recipe.losses import LossTerms, segmentation_loss
from training.recipe.optimisers import Optimisers
from training.recipe.provenance import data_definition
from training.recipe.schedule import loss_weights, lr_factor, progress, warmup_share

TALLIED = (*LossTerms._fields, "foreground")


class AveragedWeights:
    """Exponential moving average of a network's weights and normalisation statistics.

    The decay grows to `decay` from 0.1, so that the first weights are soon forgotten. Of a decay of 0 the average is
    the network itself.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0
        self._pairs = list(zip(self.net.state_dict().values(), net.state_dict().values(), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the network's present state."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for kept, new in self._pairs:
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


@dataclass
class Position:
    """How far a run is. `step` counts the steps done in the epoch."""

    epoch: int = 1
    step: int = 0
    images: int = 0
    seconds: float = 0.0  # of wall-clock time, in all the processes that the run has had


class TrainingRun:
    """A network under training, the running average of its weights, and how far it is.

    `net` is the bare network; what it is trained through (compiled, averaging gradients) stays inside.
    """

    def __init__(
        self, config: TrainingConfig, source: DataSource, processes: Processes, start: LoadedModel | None = None
    ) -> None:
        self.config = config
        self.source = source
        self.processes = processes
        self.start = start  # weights to start from, of the config's architecture
        self.data_definition = data_definition(config.data)
        self.position = Position()
        self.stop_asked: Callable[[], bool] = lambda: False  # looked at before every step
        self.stopped = False  # whether the last call of `steps` ended because it was asked to
        device = processes.device
        torch.manual_seed(config.seed)
        net = build(config.model.architecture, config.model.arguments)
        if start is not None:
            _check_same_network(config, start)
            net.load_state_dict(start.net.state_dict())
        self.net: Network = net.to(device)
        if config.channels_last:
            self.net = in_channels_last(self.net)
        self._shared = processes.share(self.net)
        self._forward = torch.compile(self._shared) if config.compile else self._shared
        self.average = AveragedWeights(self.net, config.optimiser.ema_decay)
        self.optimisers = Optimisers(self.net, config.optimiser)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        # Sums, and of how many: those since the last record, and those since the last look of the watch.
        self.tallies = torch.zeros(2, len(TALLIED) + 1, dtype=torch.float64, device=device)
        self._warmup = warmup_share(config)
        self._dtype = resolve_precision(config.precision, device)
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
        """AdamW's, of the next step."""
        return self.config.optimiser.lr * lr_factor(self.done, self._warmup)

    def fit_likelihood(self) -> bool:
        """Before the first step of a new run: fit the table of a network that has one (`training.recipe.likelihood`).

        Returns whether there was one to fit. Of several processes the first one's table counts.
        """
        stem = self.net.pixels
        if not isinstance(stem, LikelihoodStem) or self.start is not None or self.position.images:
            return False
        started = time.monotonic()
        definition = find_definition(self.config.data.definition)
        fit(stem.likelihood, self.config.likelihood, definition, seed=self.config.seed, stop=self.stop_asked)
        for fitted in stem.likelihood.state_dict().values():
            self.processes.sum(fitted if self.processes.is_first else fitted.zero_())
        self.average.net.load_state_dict(self.net.state_dict())
        self.position.seconds += time.monotonic() - started
        return True

    def steps(self) -> Iterator[None]:
        """Train; yield after every step. Ends with the budget, or where `stop_asked` says so."""
        before, started = self.position.seconds, time.monotonic()
        position = self.position
        self.stopped = False
        self.net.train()
        while True:
            noise = noise_in(self.config.curriculum, position.epoch, self.epoch_images)
            parts = self.config.optimiser.accumulation
            batches = self.source.batches(position.epoch, noise, start=position.step * parts)
            for step in _grouped(itertools.islice(batches, (self.steps_per_epoch - position.step) * parts), parts):
                self._agree(before + time.monotonic() - started)
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
        """The averaged weights, as they are scored and saved; where the config says so with precise normalisation.

        The statistics that batch normalisation gathers while training belong to weights that are gone, and to images
        without noise as well, few but with by far the strongest features. One pass over samples like the validated
        ones tells those that these weights need (Wu & Johnson 2021, "Rethinking Batch", section 3). Of several
        processes all call this.
        """
        net = copy.deepcopy(self.average.net)
        count = self.config.optimiser.precise_bn_images // self.config.optimiser.batch_size
        if count:
            batches = itertools.islice(self.source.calibration(), count * self.config.optimiser.accumulation)
            device = self.processes.device
            with torch.autocast(device.type, self._dtype, enabled=self._dtype != torch.float32):
                update_bn(batches, net, device)
            for name, statistic in net.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    statistic.copy_(self.processes.sum(statistic.double()) / self.processes.world_size)
        return net

    def take_means(self, *, of_watch: bool = False) -> dict[str, float]:
        """Means since the last call: the loss, its terms, and the share of pixels taken for foreground.

        Over all processes, which must all call this. The collapse watch has means of its own.
        """
        tally = self.tallies[int(of_watch)]
        *sums, count = self.processes.sum(tally.clone()).tolist()
        tally.zero_()
        return {name: value / max(count, 1) for name, value in zip(TALLIED, sums, strict=True)}

    def pool_tallies(self) -> None:
        """Bring the sums of all processes into the first one's, where they are saved."""
        self.processes.sum(self.tallies)
        if not self.processes.is_first:
            self.tallies.zero_()

    def _agree(self, seconds: float) -> None:
        """Take the time, and the wish to stop; of several processes all go by the same."""
        stop = self.stop_asked()
        if self.processes.world_size > 1:
            votes = torch.tensor([seconds if self.processes.is_first else 0.0, stop], dtype=torch.float64)
            seconds, stop = self.processes.sum(votes.to(self.processes.device)).tolist()
        self.position.seconds, self.stopped = seconds, bool(stop)

    def _step(self, parts: Sequence[Batch]) -> None:
        config = self.config
        # Dropout draws from the step's own stream, so that a resumed run draws what it would have drawn.
        torch.manual_seed((config.seed << 44) + (self.position.images << 10) + self.processes.rank)
        weights = loss_weights(config.loss, self.done, self.position.epoch)
        self.optimisers.set_rates(lr_factor(self.done, self._warmup))
        self.optimisers.zero_grad()
        for number, (images, masks) in enumerate(parts, 1):
            with self._averaging_gradients(number == len(parts)):
                with torch.autocast(images.device.type, self._dtype, enabled=self._dtype != torch.float32):
                    logits = self._forward(images)
                terms = segmentation_loss(logits.float(), masks, weights)
                self.scaler.scale(terms.total / len(parts)).backward()  # type: ignore[no-untyped-call]
            self._count(terms, logits)
        for optimiser in self.optimisers.each:
            self.scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(self.net.parameters(), config.optimiser.clip_norm)
        for optimiser in self.optimisers.each:
            self.scaler.step(optimiser)
        self.scaler.update()
        self.average.update()

    def _averaging_gradients(self, is_last_part: bool) -> AbstractContextManager[Any]:
        """The processes average their gradients once a step, with its last part."""
        if isinstance(self._shared, DistributedDataParallel) and not is_last_part:
            return self._shared.no_sync()
        return nullcontext()

    @torch.no_grad()
    def _count(self, terms: LossTerms, logits: Tensor) -> None:
        # On the device, and read when somebody asks: reading each step would keep a GPU waiting.
        self.tallies += torch.stack([*terms, (logits > 0).float().mean(), terms.total.new_ones(())])


def _grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Lists of `size` batches; a last list that is not full is left out."""
    while len(group := list(itertools.islice(batches, size))) == size:
        yield group


def _check_same_network(config: TrainingConfig, start: LoadedModel) -> None:
    wanted = (config.model.architecture, config.model.arguments)
    found = (start.metadata.architecture, start.metadata.arguments)
    if wanted != found:
        raise UsageError(f"the config trains {wanted}, the checkpoint to start from holds {found}: make them equal")
