"""The training loop: one pass over an endless supply of samples until the budget is spent."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from shared.errors import UsageError
from shared.net.architectures import build, in_channels_last
from shared.net.checkpoint import LoadedModel
from training.config import TrainingConfig
from training.data import training_loader
from training.losses import segmentation_loss
from training.schedule import lr_factor, progress


class AveragedWeights:
    """Exponential moving average of a network's weights and normalisation statistics.

    The decay grows to `decay` from 0.1, so that the first weights are soon forgotten.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move towards `net`'s present state."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for kept, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


@dataclass(eq=False)
class TrainingRun:
    """A network under training, the running average of its weights, and how far it is."""

    config: TrainingConfig
    device: torch.device
    start: LoadedModel | None = None  # weights to start from, of the config's architecture
    net: nn.Module = field(init=False)
    average: AveragedWeights = field(init=False)
    optimiser: torch.optim.Optimizer = field(init=False)
    images: int = field(default=0, init=False)
    started: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        net = build(self.config.model.architecture, self.config.model.arguments)
        if self.start is not None:
            _check_same_network(self.config, self.start)
            net.load_state_dict(self.start.net.state_dict())
        self.net = in_channels_last(net.to(self.device))
        self.average = AveragedWeights(self.net, self.config.optimiser.ema_decay)
        settings = self.config.optimiser
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)

    @property
    def minutes(self) -> float:
        """Wall-clock time since the first batch was asked for."""
        return (time.monotonic() - self.started) / 60

    def steps(self) -> Iterator[float]:
        """Train; yield the loss of every step (batch). Ends with the budget."""
        config = self.config
        batches = training_loader(config.data, config.seed, config.budget.max_images, config.optimiser.batch_size)
        self.started = time.monotonic()
        self.net.train()
        for image, truth in batches:
            done = progress(config.budget, self.images, self.minutes)
            if done >= 1:
                return
            yield self._step(image.to(self.device), truth.to(self.device), done)

    def _step(self, image: Tensor, truth: Tensor, done: float) -> float:
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.optimiser.lr * lr_factor(done, config.optimiser.warmup)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = self.net(image)
        loss = segmentation_loss(logits.float(), truth, dice=config.loss.dice, bce=config.loss.bce)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), config.optimiser.clip_norm)
        self.optimiser.step()
        self.average.update(self.net)
        self.images += len(image)
        return loss.item()


def _check_same_network(config: TrainingConfig, start: LoadedModel) -> None:
    wanted = (config.model.architecture, config.model.arguments)
    found = (start.metadata.architecture, start.metadata.arguments)
    if wanted != found:
        raise UsageError(f"the config trains {wanted}, the checkpoint to start from holds {found}: make them equal")
