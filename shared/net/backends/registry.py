"""The backends, by name."""

from shared.errors import ConfigurationError
from shared.net.backends.contract import Backend
from shared.net.backends.torch_backend import TorchBackend
from shared.net.checkpoint import LoadedModel

BACKENDS: dict[str, type[Backend]] = {"torch": TorchBackend}

DEFAULT_BACKEND = "torch"


def open_backend(name: str, model: LoadedModel, *, device: str = "auto", precision: str = "auto") -> Backend:
    """Put a model on a device of the backend of this name.

    Raises:
        ConfigurationError: there is no such backend, device or precision.
        DeviceOutOfMemory: the model does not fit beside what the device holds.
    """
    if name not in BACKENDS:
        raise ConfigurationError(f"there is no backend {name!r}: use {', '.join(BACKENDS)}")
    return BACKENDS[name].open(model, device=device, precision=precision)
