"""The parent's side of one decoder process; `shared.images.decoder` is the other.

What the process says is not believed, since hostile bytes may have taken it over.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import astuple
from multiprocessing import Pipe
from typing import Any, TypeVar

from shared.config import bare_environment
from shared.errors import DecoderUnavailable, ImageError, ItemErrorCode, UsageError
from shared.images import decoder as child
from shared.images import scratch
from shared.images.channel_choice import AUTO, MAX_PLANES
from shared.images.decoded import PIXEL_TYPES, DecodedImage, DecodeLimits
from shared.pixel_size import PixelSize

T = TypeVar("T")

_START_SECONDS = 120.0  # of a start that takes 0.3 s on a machine with nothing else to do
_END_SECONDS = 10.0
_LOOKS_WITHIN_LIMIT = 20
_KEPT_BYTES = 16 * 2**20  # of shared memory, from one image to the next: 2048×2048 pixels


_TUNING = {
    "OPENBLAS_NUM_THREADS": "1",
    # glibc: keep the memory of one image for the next, which halves what decoding 512×512 pixels costs.
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}


class DecoderDeath(Exception):
    """A decoder died, or has to; `str` is the reason for whoever submitted the image.

    `code` is None where it was killed: by the system, for want of memory, or by somebody.
    """

    def __init__(self, code: ItemErrorCode | None, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class DecoderProcess:
    """One process, with the memory and the connection to it."""

    def __init__(self, module: str, limits: DecodeLimits, seconds: float, *, memory: int | None = None) -> None:
        """Start the process, without waiting until it is ready.

        `memory` is the scratch file's descriptor, the process's own from here on; without it one is made.

        Raises:
            DecoderUnavailable: the system has no process for us.
        """
        self.is_new = True  # has not been given an image
        self._ready = False
        self._limits = limits
        self._seconds = seconds
        with ExitStack() as closing:
            try:
                self._memory = scratch.create() if memory is None else memory
                closing.callback(os.close, self._memory)
                self._connection, theirs = Pipe()
                closing.enter_context(self._connection)
                with theirs:
                    self._process = _start(module, theirs.fileno(), self._memory, limits)
            except OSError as error:
                raise DecoderUnavailable(f"no process for decoding images can be started: {error.strerror}") from error
            self._closing = closing.pop_all()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def decode(self, data: bytes, channel: str = AUTO) -> DecodedImage:
        """Have one image decoded, of it a choice of channels.

        Raises:
            ImageError: the image is refused; the process goes on.
            DecoderDeath: this process can be used no more.
            DecoderUnavailable: it does not come up.
        """
        self._become_ready()
        self.is_new = False
        try:
            scratch.write(self._memory, data)
        except OSError as error:
            raise DecoderUnavailable(f"no memory for decoding an image: {error.strerror}") from error
        try:
            return self.answer(len(data), self._image, channel)
        finally:
            scratch.shrink(self._memory, _KEPT_BYTES)

    def answer(self, length: int, understand: Callable[[dict[str, Any]], T], channel: str = AUTO) -> T:
        """Have the image decoded whose bytes, so many, are in the scratch file; return what is understood from it.

        `understand` raises what a dictionary of anything may lead it to. Raises as `decode`.
        """
        self._become_ready()
        answer = self._ask(length, channel)
        try:
            fields = json.loads(answer)
            if "code" in fields:
                code, reason = ItemErrorCode(fields["code"]), line(fields["reason"])
                if code is ItemErrorCode.DECODE_MEMORY:
                    raise DecoderDeath(code, reason)
                raise ImageError(code, reason)
            return understand(fields)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise _nonsense() from error

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._closing.close()

    def _become_ready(self) -> None:
        if self._ready:
            return
        with suppress(EOFError, ConnectionError):
            if self._answers_within(_START_SECONDS):
                self._connection.recv_bytes(child.MAX_ANSWER_BYTES)
                self._ready = True
                return
        raise DecoderUnavailable("a process for decoding images does not start: what it wrote above says why")

    def _ask(self, length: int, channel: str) -> bytes:
        try:
            self._connection.send_bytes(length.to_bytes(child.LENGTH_BYTES, "big") + channel.encode())
            if self._answers_within(self._seconds):
                return self._connection.recv_bytes(child.MAX_ANSWER_BYTES)
        except (EOFError, ConnectionError) as error:
            raise self._cause_of_death() from error
        except OSError as error:
            raise _nonsense() from error
        raise DecoderDeath(
            ItemErrorCode.DECODE_TIMEOUT,
            f"decoding takes longer than {self._seconds:g} s (DECODE_SECONDS): convert it to a plain PNG",
        )

    def _answers_within(self, seconds: float) -> bool:
        """Wait. Time is counted in looks: a machine that was asleep, or a process that was stopped, has lost one."""
        return any(self._connection.poll(seconds / _LOOKS_WITHIN_LIMIT) for _ in range(_LOOKS_WITHIN_LIMIT))

    def _cause_of_death(self) -> DecoderDeath:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        status = self._process.poll()
        if status == -signal.SIGKILL:
            return DecoderDeath(None, "decoding was killed, as happens where a machine runs out of memory: free some")
        how = signal.Signals(-status).name if status is not None and status < 0 else f"exit code {status}"
        return DecoderDeath(
            ItemErrorCode.DECODER_CRASHED,
            f"decoding crashed ({how}), the file is damaged or made to do that: convert it to a plain PNG",
        )

    def _image(self, fields: dict[str, Any]) -> DecodedImage:
        shape = int(fields["height"]), int(fields["width"])
        self._limits.check(shape[1], shape[0])
        return DecodedImage(
            pixels=scratch.read_pixels(
                self._memory, (*planes_of(fields["planes"]), *shape), PIXEL_TYPES[fields["dtype"]]
            ),
            format=line(fields["format"]),
            mode=line(fields["mode"]),
            bit_depth=_depth(fields["bit_depth"]),
            note=None if fields["note"] is None else line(fields["note"]),
            has_holes=fields["has_holes"] is True,
            pixel_size=pixel_size(fields["pixel_size"]),
            is_transparent=fields["is_transparent"] is True,
        )


def line(text: str) -> str:
    """Return `text`, which a database, a log and a page take as it is.

    Raises:
        ValueError: it has control characters, or halves of others.
    """
    if not text.isprintable():
        raise ValueError("control characters or halves of others")
    return text


def pixel_size(sides: list[float] | None) -> PixelSize | None:
    """Return the size of a pixel from its width and height in µm.

    Raises:
        ValueError: none can be of these.
    """
    if sides is None:
        return None
    x, y = sides
    try:
        return PixelSize(float(x), float(y))
    except UsageError as error:
        raise ValueError("no size of a pixel") from error


def planes_of(count: int) -> tuple[int, ...]:
    """Return the number of planes as the beginning of a shape; nothing for a grey image.

    Raises:
        ValueError: more than anybody asks for.
    """
    if not 0 <= count <= MAX_PLANES:
        raise ValueError("no number of channels")
    return (int(count),) if count else ()


def _depth(bits: int) -> int:
    """Return the bits of a sample.

    Raises:
        ValueError: more than any format has, which others take as an exponent.
    """
    if not 1 <= bits <= 64:
        raise ValueError("no number of bits")
    return int(bits)


def _nonsense() -> DecoderDeath:
    return DecoderDeath(ItemErrorCode.DECODER_CRASHED, "decoding broke its process: convert the file to a plain PNG")


def _start(module: str, connection: int, memory: int, limits: DecodeLimits) -> "subprocess.Popen[bytes]":
    # -P: a folder named like one of our packages, where the user happens to stand, is not imported.
    command = [sys.executable, "-P", "-W", "ignore", "-m", module]
    arguments = map(str, (connection, memory, *astuple(limits)))
    return subprocess.Popen(  # noqa: S603 - our own module
        [*command, *arguments],
        stdin=subprocess.PIPE,  # closes with us, by kill -9 too
        stdout=subprocess.DEVNULL,
        pass_fds=(connection, memory),
        env=bare_environment(**_TUNING),
        # What is sent to our group, such as Ctrl-C, does not reach one that is just starting.
        start_new_session=True,
    )
