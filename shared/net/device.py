"""Which device and which arithmetic the network runs on."""

import os

import torch

from shared.errors import ConfigurationError

_FIRST_WITH_BF16 = (8, 0)  # compute capability; before it cuDNN has no convolutions in bfloat16, torch emulates them
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """Return the device that `name` means: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        ConfigurationError: there is no such GPU, so that no one waits for a CPU by mistake, or no such name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigurationError(f"there is no device {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigurationError(f"the device {name!r} is not supported: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"the device {name} was asked for, but no CUDA GPU is visible here: "
            "check the driver and the container's GPU access, or use the device cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"the device {name} was asked for, but only {torch.cuda.device_count()} GPUs are visible"
        )
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the arithmetic of the convolutions: "fp32", "bf16", "fp16", or "auto" for the fastest that is accurate.

    Automatic is bfloat16 where the hardware has it (a GPU from compute capability 8.0 on), else float16 on a GPU and
    float32 on a CPU.

    Raises:
        ConfigurationError: there is no such name, or it is float16 on a CPU.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _FIRST_WITH_BF16 else torch.float16
        return torch.bfloat16 if _cpu_has_bf16() else torch.float32
    if name not in PRECISIONS:
        raise ConfigurationError(f"there is no precision {name!r}: use auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise ConfigurationError("fp16 is slow on a CPU: use auto, fp32 or bf16")
    return PRECISIONS[name]


def use_exact_float32() -> None:
    """Let float32 mean float32 on GPUs from now on, in the whole process.

    Else cuDNN's convolutions and cuBLAS's products may round their inputs to TensorFloat-32, which has the ten bits of
    float16: as little as the reduced precision that layers in float32 are kept from.
    """
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.fp32_precision = "ieee"


def usable_cores() -> int:
    """Return how many CPU cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _cpu_has_bf16() -> bool:
    # The public get_capabilities is younger than the oldest torch that is supported (2.9).
    return bool(torch.cpu._is_avx512_bf16_supported())
