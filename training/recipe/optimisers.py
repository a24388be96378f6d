"""The optimisers of a run: AdamW alone, or Muon for the convolutions' kernels and AdamW for the rest.

Muon (Jordan et al. 2024) steps along the orthogonalised momentum of each weight matrix. It is torch's, which takes
matrices: it gets each kernel and its gradient as a matrix of one row an output channel, in the kernel's own memory.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from training.config import OptimiserConfig

_MIN_CHANNELS = 8  # of a kernel that Muon takes; of less, orthogonalising makes noise


class Optimisers:
    """The optimisers of all trainable parameters of `net`, under one schedule. Gradients are zeroed in place.

    Every gradient exists from the start, since Muon's matrices share its memory, and is never set to None.
    """

    def __init__(self, net: nn.Module, config: OptimiserConfig) -> None:
        kernels = list(_hidden_kernels(net)) if config.kind == "muon" else []
        taken = {id(kernel) for kernel in kernels}
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        rest = [parameter for parameter in trained if id(parameter) not in taken]
        for parameter in trained:
            parameter.grad = torch.zeros_like(parameter)
        self._trained = trained
        # On a GPU one kernel for all parameters, instead of a dozen.
        fused = all(parameter.is_cuda for parameter in rest)
        self.each: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=config.lr, weight_decay=config.weight_decay, fused=fused)
        ]
        self._rates = [config.lr]
        if kernels:
            matrices = [_matrix_of(kernel) for kernel in kernels]
            # The rate counts as AdamW's does: a step changes the weights by 0.2 of it in the root mean square.
            muon = torch.optim.Muon(
                matrices, lr=config.muon_lr, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self.each.append(muon)
            self._rates.append(config.muon_lr)

    def set_rates(self, factor: float) -> None:
        """Let the next step have the learning rates times `factor`."""
        for optimiser, rate in zip(self.each, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def zero_grad(self) -> None:
        """Begin to sum gradients anew."""
        for optimiser in self.each:
            optimiser.zero_grad(set_to_none=False)

    def step(self, scaler: torch.amp.GradScaler, clip_norm: float) -> None:
        """Step along the gradients, clipped together; in float16 nowhere, if any of them overflowed.

        A scaler by itself lets each optimiser skip for its own gradients. But the norm is that of all: one infinity
        makes the others zeros or NaN, and the optimisers that met none would step along those.

        Args:
            scaler: has scaled the loss; its scale follows.
            clip_norm: largest norm of all gradients together.
        """
        for optimiser in self.each:
            scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(self._trained, clip_norm)
        # Where nothing is scaled, nothing is asked: a GPU would be waited for.
        if not scaler.is_enabled() or bool(norm.isfinite()):
            for optimiser in self.each:
                scaler.step(optimiser)
        scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered of each parameter: {optimiser's place: {parameter's number: {name: tensor}}}.

        Their settings are the config's, and the rates those of the schedule, so neither is part of it.
        """
        return {
            str(place): {str(number): moments for number, moments in optimiser.state_dict()["state"].items()}
            for place, optimiser in enumerate(self.each)
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, of a network and a config like these."""
        for place, optimiser in enumerate(self.each):
            moments = {int(number): tensors for number, tensors in state_dict[str(place)].items()}
            optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})


def _hidden_kernels(net: nn.Module) -> Iterator[nn.Parameter]:
    """Find the kernels of all convolutions but the head and those of few channels."""
    for name, module in net.named_modules():
        is_convolution = isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        if is_convolution and name != "head" and min(module.weight.shape[:2]) >= _MIN_CHANNELS:
            yield module.weight


def _matrix_of(kernel: nn.Parameter) -> nn.Parameter:
    """View the kernel as a matrix that shares its memory, and its gradient's. The order of the columns is all one."""
    matrix = nn.Parameter(_flat(kernel.detach()))
    matrix.grad = _flat(kernel.grad) if kernel.grad is not None else None
    return matrix


def _flat(tensor: Tensor) -> Tensor:
    """View (O, I, H, W), in either memory format, as (O, I·H·W)."""
    in_memory_order = tensor if tensor.is_contiguous() else tensor.permute(0, 2, 3, 1)
    return in_memory_order.view(len(tensor), -1)
