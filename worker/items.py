"""One item from its source to its stored result."""

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import (
    ConfigurationError,
    ImageError,
    ImageOutOfMemory,
    ItemError,
    ItemErrorCode,
    ObjectMissing,
    Retryable,
    SourceGone,
)
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.images.decoded import DecodedImage, Pixels
from shared.images.preparation import InMemory, Prepared, prepare
from shared.images.probabilities import histogram
from shared.images.resample import resample, scaled
from shared.jobs.records import ClaimedItem, Failure, Outcome, Success
from shared.logs import log_ids
from shared.net.backends.contract import Answer
from shared.net.tiling import Stitcher
from shared.net.witness import Witness, cut_out
from shared.objects.options import PostProcessing
from shared.pixel_size import PixelSize
from shared.store import ObjectStore, keys
from shared.synth import synthesise
from worker import metrics
from worker.judging import Judged, judge
from worker.leases import ClaimOver, HeldClaim
from worker.masking import masked
from worker.measuring import compare
from worker.memory import PixelBudget
from worker.model_cache import ServedModel
from worker.outcomes import refuse_unfamiliar, success
from worker.spacing import used_scale
from worker.truths import read_truth
from worker.windows import WHOLE_PIXELS, Windows
from worker.work import Work

log = logging.getLogger(__name__)

PNG = "image/png"


@dataclass(frozen=True, eq=False)
class _Source:
    """A decoded or generated image."""

    pixels: Pixels
    note: str | None = None
    has_holes: bool = False  # whether pixels without data are NaN
    pixel_size: PixelSize | None = None  # where the file says one
    generated: NDArray[np.uint8] | None = None  # the image itself, where it is synthetic
    truth: NDArray[np.bool_] | None = None


class _TooLarge(Exception):
    """An image is too large to be held as a whole."""


class ItemProcessor:
    """Fetch → decode → standardise → tiles → network → stitch → measure → encode → store, for one item a thread.

    Threads overlap freely: while some wait for the network, others fetch and decode, and others encode and store.
    At most `io_threads` do the one, as many do the other, and the budget bounds the pixels that all of them hold.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        decode: Callable[[bytes, str], DecodedImage],
        budget: PixelBudget,
        windows: Windows,
        io_threads: int,
        tiles_in_flight: int,
    ) -> None:
        self._store = store
        self._decode = decode
        self._budget = budget
        self._windows = windows
        self._tiles_in_flight = tiles_in_flight
        self._loading = Semaphore(io_threads)
        self._storing = Semaphore(io_threads)
        self._few = io_threads
        self._putting = ThreadPoolExecutor(io_threads, thread_name_prefix="put")

    def close(self) -> None:
        """End the threads, once no item is in work."""
        self._putting.shutdown()

    def process(self, item: ClaimedItem, held: HeldClaim, model: ServedModel) -> Outcome:
        """Return how the item ended under this model; its objects are stored by then.

        Raises:
            ClaimOver: nobody wants the result any more.
            ImageOutOfMemory: it did not fit beside what else is in memory.
            Retryable, ConfigurationError: a service is unavailable or refuses us; the item itself is not to blame.
        """
        with log_ids(job=item.job_id, shard=held.claim.shard_id, item=item.id):
            return self._process(Work(item, held, model, started=time.monotonic()))

    def _process(self, work: Work) -> Outcome:
        try:
            return self._segment(work)
        except (ClaimOver, Retryable, ConfigurationError):
            raise
        except MemoryError as error:
            # The error is kept until the claim ends: without its frames, whose images would be kept with it.
            traceback.clear_frames(error.__traceback__)
            raise ImageOutOfMemory(
                f"not enough memory for {work.item.path}: free some, or lower IO_THREADS and BATCH_SIZE"
            ) from error
        except ItemError as error:
            code, reason = error.code, str(error)
        except SourceGone as error:
            code, reason = error.code, str(error)
        except ObjectMissing:
            code, reason = ItemErrorCode.SOURCE_MISSING, "the uploaded source is no longer in the object store"
        except Exception as error:
            log.exception("a defect in the worker failed an item", extra={"action": "item_failed"})
            code, reason = ItemErrorCode.INTERNAL, f"a defect in the worker ({type(error).__name__}): see its log"
        return Failure(work.item.id, code, reason, seconds=work.seconds)

    def _segment(self, work: Work) -> Success:
        asked = work.postprocessing  # what is not known ends it before anything is spent on it
        with suppress(_TooLarge):
            return self._segment_whole(work, asked)
        # Nothing of it is held any more: it may have to wait for others as large.
        return self._segment_in_windows(work, asked)

    def _segment_whole(self, work: Work, asked: PostProcessing) -> Success:
        with ExitStack() as memory:
            with self._place(self._loading, work), work.model.batcher.expecting():
                work.held.check()
                source = self._load(work.item, work.channel)
                shape = source.pixels.shape[-2], source.pixels.shape[-1]
                area = shape[0] * shape[1]
                used = used_scale(InMemory(source.pixels), work.scale, work.intake)
                if source.generated is None and area * used**2 > WHOLE_PIXELS:
                    raise _TooLarge
                # Waited for while holding the place of a loader: no further image is decoded until there is room.
                with metrics.WAIT.time():
                    memory.enter_context(self._budget.reserve(source.pixels.size))
                prepared = prepare(source.pixels if used == 1.0 else resample(source.pixels, scaled(shape, used)))
            with metrics.INFER.time():
                answered, witness = self._answer(prepared, work)
                levels = resample(answered, shape)
            if levels.dtype != np.uint8:  # blended or resampled
                levels = np.rint(levels).astype(np.uint8)
            if source.has_holes:  # nothing is found where there is no data
                levels = np.where(_holes(source.pixels), np.uint8(0), levels)
            mask, found = masked(levels, work.threshold, asked)
            judged = judge(
                histogram(levels),
                witness,
                partial(cut_out, prepared.image),
                is_constant=prepared.constant,
                preparation=prepared.description,
                scale=used,
                found=found,
            )
            with self._place(self._storing, work):
                work.held.check()
                return self._store_result(source, levels, mask, judged, work)

    def _segment_in_windows(self, work: Work, asked: PostProcessing) -> Success:
        item, check = work.item, work.held.check
        result = self._windows.segment(
            lambda: self._fetch(item.source_key or ""),
            scale=work.scale,
            intake=work.intake,
            channel=work.channel,
            postprocessing=asked,
            truth=None if item.truth_key is None else partial(self._fetch, item.truth_key),
            submit=work.submit,
            witness=work.witness,
            check=check,
        )
        refuse_unfamiliar(result.judged, work)
        mask_key, probability_key = keys.mask(item.job_id, item.id), keys.probability(item.job_id, item.id)
        with self._place(self._storing, work):
            check()
            self._put({probability_key: result.probability_png, mask_key: result.mask_png}, work)
        return success(work, result.judged, (result.height, result.width), result.note, result.pixel_size)

    def _place(self, line: Semaphore, work: Work) -> AbstractContextManager[object]:
        """A place among those who load or store; an urgent image does not stand in line, and is one of few."""
        return nullcontext() if work.held.is_urgent else line

    def _load(self, item: ClaimedItem, channel: str) -> _Source:
        if item.synthesis is not None:
            with metrics.DECODE.time():
                sample = synthesise(**item.synthesis)
            return _Source(sample.image, generated=sample.image, truth=sample.mask)
        if item.source_key is None:
            raise ItemError(ItemErrorCode.SOURCE_MISSING, "the item has no source")
        data = self._fetch(item.source_key)
        with metrics.DECODE.time():
            try:
                decoded = self._decode(data, channel)
            except ImageError as error:
                if error.code is ItemErrorCode.TOO_LARGE:
                    raise _TooLarge from error
                raise
            shape = decoded.height, decoded.width
            truth = read_truth(self._fetch(item.truth_key), shape, decoded.note) if item.truth_key else None
        return _Source(decoded.pixels, decoded.note, decoded.has_holes, decoded.pixel_size, truth=truth)

    def _fetch(self, key: str) -> bytes:
        with metrics.FETCH.time():
            return self._store.get(key)

    def _answer(self, prepared: Prepared, work: Work) -> tuple[NDArray[Any], Witness]:
        """Do as `_predict` does; a constant image holds nothing, and is not asked about."""
        if not prepared.constant:
            return self._predict(prepared.image, work)
        shape = prepared.image.shape[-2:]
        return np.zeros(shape, dtype=np.uint8), work.witness(work.intake.plan(*shape))

    def _predict(self, image: NDArray[np.float32], work: Work) -> tuple[NDArray[Any], Witness]:
        """H×W probability levels of a standardised image, a bounded number of its tiles in flight at a time.

        Of one tile they are uint8 as they come from the network, of several blended to float32.
        """
        submit = work.submit
        plan = work.intake.plan(*image.shape[-2:])
        stitcher, witness = Stitcher(plan), work.witness(plan)
        in_flight: deque[tuple[int, Future[Answer]]] = deque()

        def add_first() -> None:
            index, future = in_flight.popleft()
            answer = future.result()
            stitcher.add(index, answer.levels)
            witness.add(index, answer)

        for index, tile in enumerate(work.intake.tiles(image, plan)):
            if len(in_flight) == self._tiles_in_flight:
                add_first()
                work.held.check()
            in_flight.append((index, submit(tile)))
        while in_flight:
            add_first()
        return stitcher.result(), witness

    def _store_result(
        self, source: _Source, levels: NDArray[np.uint8], mask: NDArray[np.bool_], judged: Judged, work: Work
    ) -> Success:
        # Mask and measurements come from the levels that are stored, so that whoever reads them finds the same.
        item, job = work.item, work.item.job_id
        refuse_unfamiliar(judged, work)
        if source.truth is not None:
            judged = replace(judged, measured=compare(judged.measured, [(mask, source.truth)]))
        mask_key, probability_key = keys.mask(job, item.id), keys.probability(job, item.id)
        with metrics.ENCODE.time():
            objects = {probability_key: encode_probability(levels), mask_key: encode_mask(mask)}
            source_key = truth_key = None
            if source.generated is not None and source.truth is not None:
                source_key, truth_key = keys.source(job, item.id, ".png"), keys.truth(job, item.id)
                objects |= {source_key: encode_grey(source.generated), truth_key: encode_mask(source.truth)}
        self._put(objects, work)
        shape = mask.shape[0], mask.shape[1]
        more = {"source_key": source_key, "truth_key": truth_key}
        return success(work, judged, shape, source.note, source.pixel_size, **more)

    def _put(self, objects: Mapping[str, bytes], work: Work) -> None:
        """Store them: at once where few images are in work, whose sender waits for a single round trip.

        Of many images others fill the time, and handing objects to further threads would cost more than it saves.
        """
        first, *others = objects.items()
        with metrics.STORE.time():
            if len(work.held.claim.items) >= self._few:
                for each in objects.items():
                    self._store.put(*each, PNG)
                return
            also = [self._putting.submit(self._store.put, *other, PNG) for other in others]
            try:
                self._store.put(*first, PNG)
            finally:
                wait(also)
        for each_put in also:
            each_put.result()


def _holes(pixels: Pixels) -> NDArray[np.bool_]:
    """H×W, where there is no data."""
    missing = np.isnan(pixels)
    return missing if missing.ndim == 2 else np.asarray(missing.any(axis=0))
