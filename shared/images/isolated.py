"""Decoding in processes of its own: bytes from strangers can crash, fill or stall nothing but one of them.

The pixels and the reasons are those of `shared.images.codec.decode`.
"""

import logging
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import NoReturn

from shared.errors import DecoderUnavailable, ImageError, ImageOutOfMemory, ItemErrorCode
from shared.images import decoder as child
from shared.images.channel_choice import AUTO
from shared.images.decoded import DecodedImage, DecodeLimits
from shared.images.decoder_process import DecoderDeath, DecoderProcess

log = logging.getLogger(__name__)


class Decoders:
    """Decodes in up to `processes` processes, started when first needed and used again. Safe in threads.

    One that dies, or that is ended for taking too long, is replaced at once. Whether the image was to blame for a death
    is decided in a new process alone, for one that read other files before may have been harmed by them.

    Args:
        limits: of all images.
        seconds: wall-clock time for one image.
        processes: how many images at once; further callers wait.
        module: what runs in the processes.
    """

    def __init__(self, limits: DecodeLimits, *, seconds: float, processes: int, module: str = child.__name__) -> None:
        self.limits = limits
        self._seconds = seconds
        self._module = module
        self._slots = BoundedSemaphore(processes)
        self._lock = Lock()
        self._idle: list[DecoderProcess] = []
        self._closed = False

    def decode(self, data: bytes, channel: str = AUTO) -> DecodedImage:
        """Read one image as grey, in the units of its file, of one of the three types of pixels.

        `channel` is what of its channels is taken, see `shared.images.channel_choice`.

        Raises:
            ImageError: as `codec.decode`; and `decode_timeout`, `decode_memory` or `decoder_crashed`.
            ImageOutOfMemory: the process was killed, twice; the image may not be to blame.
            DecoderUnavailable: no process can be started.
        """
        with self._slots:
            decoder = self._take()
            if not decoder.is_new:
                try:
                    return self._run(decoder, data, channel)
                except DecoderDeath as death:
                    if death.code is ItemErrorCode.DECODE_TIMEOUT:
                        self._fail(death)  # nothing that others left behind takes that long
                    _log(death, "tried again in a new one")
                decoder = self._make()
            try:
                return self._run(decoder, data, channel)
            except DecoderDeath as death:
                self._fail(death)

    def close(self) -> None:
        """End the processes; those in use end with their image."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.end()

    def _fail(self, death: DecoderDeath) -> NoReturn:
        _log(death, "its image fails")
        with suppress(DecoderUnavailable):
            self._keep(self._make())
        if death.code is None:
            raise ImageOutOfMemory(str(death)) from death
        raise ImageError(death.code, str(death)) from death

    def _take(self) -> DecoderProcess:
        with self._lock:
            decoder = self._idle.pop() if self._idle else None  # the last one used, whose memory is warm
        if decoder is None:
            return self._make()
        if decoder.is_alive:
            return decoder
        decoder.end()  # killed from outside while it had nothing to do
        return self._make()

    def _make(self) -> DecoderProcess:
        return DecoderProcess(self._module, self.limits, self._seconds)

    def _keep(self, decoder: DecoderProcess) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(decoder)
                return
        decoder.end()

    def _run(self, decoder: DecoderProcess, data: bytes, channel: str) -> DecodedImage:
        try:
            image = decoder.decode(data, channel)
        except ImageError:
            self._keep(decoder)
            raise
        except BaseException:
            decoder.end()
            raise
        self._keep(decoder)
        return image


def _log(death: DecoderDeath, outcome: str) -> None:
    ids = {"action": "decoder_replaced", "code": death.code or "killed"}
    log.warning("a decoder is replaced, %s: %s", outcome, death, extra=ids)
