"""One image that somebody waits for: in by a file or standard input, its mask out by a file or standard output."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from producer.reading import read_file
from producer.watch import pauses, why_it_waits
from shared.db.events import Actor
from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.flows.submission import Source, submit_images
from shared.identity import user_at_host
from shared.jobs.records import Item, Priority, Unfamiliar
from shared.jobs.state import ItemStatus
from shared.services import Services

STANDARD = Path("-")
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.02, 0.5


@dataclass(frozen=True)
class Asked:
    """What is asked for of the image."""

    scale: float
    unfamiliar: Unfamiliar
    channel: str
    seconds: float  # until it has to be done
    probability: bool = False  # the map in place of the mask
    model: str | None = None  # by name or digits; None: the active one
    threshold: float | None = None  # None: the model's own


def image_of(path: Path, max_bytes: int) -> Source:
    """Return the image at a path, or of standard input, read at once.

    Raises:
        UsageError: there is none, or it is too large.
    """
    if path != STANDARD:
        try:
            data = read_file(str(path.absolute()), root=None, max_bytes=max_bytes)
        except ItemError as error:
            raise UsageError(f"{path}: {error}") from error
        return Source(path.name, lambda: data)
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal: give a file, or send one, as in `producer segment - < a.png`")
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UsageError(f"standard input has more than {max_bytes:,} bytes, the most that an image may have")
    if not data:
        raise UsageError("standard input is empty: send the bytes of one image")
    return Source("stdin", lambda: data)


def segment(
    services: Services, image: Source, asked: Asked, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[Item, bytes]:
    """Segment one image before all others; return it and the PNG of its mask or probability map.

    Raises:
        ItemError: the image cannot be used.
        UsageError: it was not done in time; its job is cancelled.
    """
    job_id = submit_images(
        services,
        [image],
        name=image.path,
        submitted_by=user_at_host(),
        priority=Priority.HIGH,
        scale=asked.scale,
        unfamiliar=asked.unfamiliar,
        channel=asked.channel,
        model=asked.model,
        threshold=asked.threshold,
    )
    try:
        await_end(services, job_id, asked.seconds, sleep)
    except BaseException:  # Ctrl-C too: nobody waits for it any more
        services.repository.cancel(job_id, by=Actor.of_text(user_at_host()))
        raise
    [item] = services.repository.items(job_id, limit=1)
    if item.state is not ItemStatus.SUCCEEDED or item.mask_key is None or item.probability_key is None:
        code = ItemErrorCode(item.error_code) if item.error_code else ItemErrorCode.INTERNAL
        raise ItemError(code, item.error or f"it was {item.state.value}")
    if asked.probability:
        return item, services.store.get(item.probability_key)
    from shared.images.codec import widen_mask

    return item, widen_mask(services.store.get(item.mask_key))


def write(path: Path, png: bytes) -> None:
    """Write the bytes to a file, or to standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    if path == STANDARD:
        sys.stdout.buffer.write(png)
        sys.stdout.buffer.flush()
        return
    try:
        path.write_bytes(png)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def await_end(services: Services, job_id: str, seconds: float, sleep: Callable[[float], None]) -> None:
    """Wait until a job has ended.

    Raises:
        UsageError: it has not within `seconds`; the line says why, and that whoever waits cancels it.
    """
    deadline = time.monotonic() + seconds
    pause = pauses(_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)
    while not (job := services.repository.job(job_id)).state.is_final:
        if time.monotonic() > deadline:
            why = why_it_waits(services, job) or "others were before it, or it is large; --timeout gives it longer"
            raise UsageError(f"not done within {seconds:g} s, and cancelled: {why}")
        sleep(next(pause))
