"""What a worker tells of its memory."""

import logging
from collections.abc import Callable

from shared.jobs.workers import Memory
from shared.memory import resident_memory
from shared.net.backends.contract import DeviceMemory

log = logging.getLogger(__name__)

_STEP = 16 * 2**20  # bytes; what is told does not change by less, and with it no page that nothing else happens on


class MemoryReport:
    """What this process and its part of the device's memory take; what is not known is None."""

    def __init__(self, device_memory: Callable[[], DeviceMemory | None]) -> None:
        self._device_memory = device_memory
        self._said = False

    def __call__(self) -> Memory:
        """Return what is taken now."""
        device = self._device()
        own = resident_memory()
        return Memory(
            resident_bytes=None if own is None else _rounded(own),
            device_bytes=None if device is None else _rounded(device.reserved),
            device_total_bytes=None if device is None else device.total,
        )

    def _device(self) -> DeviceMemory | None:
        try:
            return self._device_memory()
        except Exception as error:  # whoever lost the device says so; leases are renewed all the same
            if not self._said:
                log.warning("the device's memory is not known: %s", error, extra={"action": "device_memory_unknown"})
            self._said = True
            return None


def _rounded(size: int) -> int:
    return -(-size // _STEP) * _STEP
