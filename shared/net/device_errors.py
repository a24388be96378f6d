"""What an error of a GPU means: that its memory is full, or that it is lost to this process."""

import traceback

import torch

from shared.errors import DeviceFailed, DeviceOutOfMemory

# torch has classes of its own for some errors alone; the libraries below it come as RuntimeErrors with these words.
_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",  # a CPU's
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    # What cuDNN says where it finds no room for its own start.
    "cudnn_status_not_initialized",
    "cuda error: memory allocation",
    "cudaerrormemoryallocation",
    "unable to find an engine to execute",  # cuDNN's, where no algorithm's workspace fits
)
_DEVICE_WORDS = (
    "cuda error",
    "cuda driver error",
    "cudnn error",
    "cudnn_status",
    "cublas_status",
    "cusparse_status",
    "hip error",
    "nccl error",
    "device-side assert",
    "no cuda-capable device",
    "unspecified launch failure",
)


def translated(error: BaseException, too_large: str) -> DeviceOutOfMemory | DeviceFailed | None:
    """Return the error of ours that an error of torch means; None where it is not about the device.

    Args:
        error: what a call of torch raised.
        too_large: the line for people where memory is what lacks.
    """
    if isinstance(error, DeviceOutOfMemory | DeviceFailed):
        return error
    words = str(error).lower()
    if isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(each in words for each in _MEMORY_WORDS)
    ):
        return DeviceOutOfMemory(too_large)
    if isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and any(each in words for each in _DEVICE_WORDS)
    ):
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        return DeviceFailed(f"the device failed ({first_line}): end this process, only a new one can use the device")
    return None


def let_go_of_frames(error: BaseException | None) -> None:
    """Empty the frames that an error and those behind it keep: their tensors would stay in memory as long as it.

    Frames that still run are left as they are.
    """
    seen: set[int] = set()
    chain = [error]
    while chain:
        error = chain.pop()
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            traceback.clear_frames(error.__traceback__)
            chain += [error.__cause__, error.__context__]
