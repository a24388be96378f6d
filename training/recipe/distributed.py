"""The processes that train one network together: one alone, or those that `torchrun` started.

Every process has a part of each step's batch; the gradients are averaged, so the step is that of one process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from shared.errors import ConfigurationError
from shared.net.device import resolve_device


@dataclass(frozen=True)
class DistributedContext:
    """The place of this process among those of the run, and what they do together."""

    device: torch.device
    rank: int = 0
    world_size: int = 1

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
        return DistributedDataParallel(net, device_ids=[self.device] if on_gpu else None)

    def sum(self, values: Tensor) -> Tensor:
        """Sum `values` over the processes, the same in each; in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values


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
    if device.type == "cuda":
        device = resolve_device(f"cuda:{dist.get_node_local_rank()}")
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield DistributedContext(device, dist.get_rank(), dist.get_world_size())
        # They leave together: one that is gone closes its connections under one that is still at work.
        dist.barrier()
    finally:
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
