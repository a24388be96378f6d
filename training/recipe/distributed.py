"""The processes that train one network together: one alone, or those that `torchrun` started.

Every process has a part of each step's batch; the gradients are averaged, so the step is that of one process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from shared.errors import ConfigurationError, Retryable
from shared.net.device import resolve_device

# For what all do at once; longer than any of them takes for its part of a validation.
_TIMEOUT = timedelta(minutes=30)
# For the end of the run, when the others wait while the first one calibrates, fits scores and draws pictures.
_PATIENCE = timedelta(hours=12)
# What the libraries below torch say when a process at the other end has gone.
_PEER_WORDS = ("gloo", "connection closed by peer", "connection reset by peer", "broken pipe", "nccl")


class PeerLost(Retryable):
    """Another process of the run has ended or hangs; this one cannot go on without it."""


@dataclass(frozen=True)
class DistributedContext:
    """The place of this process among those of the run, and what they do together."""

    device: torch.device
    rank: int = 0
    world_size: int = 1
    # Over the network and in the host's memory: no GPU is waited for.
    control: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def share(self, net: nn.Module) -> nn.Module:
        """Wrap the network so that it averages its gradients over the processes, where there are several.

        On GPUs batch normalisation takes its statistics from the whole step; on CPUs, where torch has no such layer,
        from each process's part.
        """
        if self.world_size == 1:
            return net
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        # Gradients stay where they are, and are no views of DDP's buckets: Muon's matrices share their memory.
        return DistributedDataParallel(net, device_ids=[self.device] if on_gpu else None)

    def sum(self, values: Tensor) -> Tensor:
        """Sum `values` over the processes, the same in each; in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def vote(self, *values: float) -> list[float]:
        """Return the sum of each value over the processes, without waiting for any device."""
        votes = torch.tensor(values, dtype=torch.float64)
        if self.world_size > 1:
            dist.all_reduce(votes, group=self.control)
        return [float(vote) for vote in votes]

    def peer_lost(self, error: RuntimeError) -> bool:
        """Whether an error says that another process of the run has gone."""
        words = str(error).lower()
        return self.world_size > 1 and (isinstance(error, dist.DistError) or any(each in words for each in _PEER_WORDS))


@contextmanager
def distributed_context(device_name: str) -> Iterator[DistributedContext]:
    """Join the processes of this run on the device that `device_name` means; under `torchrun`, a GPU for each.

    Raises:
        ConfigurationError: there are fewer GPUs than processes, or no such device.
    """
    if not dist.is_torchelastic_launched():
        yield DistributedContext(resolve_device(device_name))
        return
    device = resolve_device(device_name)
    on_gpu = device.type == "cuda"
    if on_gpu:
        device = resolve_device(f"cuda:{dist.get_node_local_rank()}")
        torch.cuda.set_device(device)
    # With its device NCCL need not guess which is whose.
    dist.init_process_group("nccl" if on_gpu else "gloo", device_id=device if on_gpu else None, timeout=_TIMEOUT)
    control = dist.new_group(backend="gloo", timeout=_TIMEOUT)
    leaving = dist.new_group(backend="gloo", timeout=_PATIENCE)
    yield DistributedContext(device, dist.get_rank(), dist.get_world_size(), control)
    # They leave together: one that is gone closes its connections under one that is still at work. After an error
    # nobody is waited for, who may have gone.
    dist.barrier(group=leaving)
    dist.destroy_process_group()


def part_of_step(batch_size: int, accumulation: int, processes: int) -> int:
    """Return how many images one process computes at once.

    Raises:
        ConfigurationError: the batch cannot be shared out evenly.
    """
    parts = accumulation * processes
    if batch_size % parts:
        raise ConfigurationError(
            f"optimiser.batch_size {batch_size} cannot be shared by {processes} processes in {accumulation} parts: "
            f"use a multiple of {parts}"
        )
    return batch_size // parts
