"""Images too large to be held: read, segmented and written in windows, with memory that depends on the width alone.

The decoder process leaves the pixels in a file on disk. From there tiles are read one by one and cross-faded in a
canvas of one row of tiles; its rows, once finished, go into both PNGs and into the counts that the measurements come
from. What is held of the image as a whole are its encoded bytes: the source's until it lies in the file, the results'
until they are stored.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

import numpy as np
from numpy.typing import NDArray

from shared.images import scratch
from shared.images.decoded import DecodeLimits
from shared.images.large import PixelFile, decode_to_file
from shared.images.resample import resample_bands, scaled
from shared.net.backends.contract import Answer
from shared.net.bands import BandStitcher
from shared.net.intake import Intake
from shared.net.tiling import TILE_SIZE, TilePlan
from shared.net.witness import Place, Witness
from shared.objects.options import PostProcessing
from shared.pixel_size import PixelSize
from worker import metrics
from worker.batcher import Submit
from worker.judging import Judged, judge
from worker.masking import encoded
from worker.measuring import compare
from worker.memory import PixelBudget
from worker.prepared_file import PreparedFile
from worker.spacing import used_scale
from worker.truths import parts_of, truth_in_file

WHOLE_PIXELS = 2048**2
"""Pixels of the largest image that is held as a whole instead, before or after scaling."""

_AT_ONCE = 2  # so that one is decoded while the network has the other
_BAND_ROWS = 128
_CANVAS_SHARE = 4  # of the memory that the budget counts for a pixel, its place in the canvas takes one in so many


@dataclass(frozen=True, eq=False)
class WindowedResult:
    """Mask and probability map of one image as PNG, and what was measured of them on the way."""

    height: int
    width: int
    mask_png: bytes
    probability_png: bytes
    judged: Judged
    note: str | None
    pixel_size: PixelSize | None  # where the file says one


class Windows:
    """Segments large images, two at a time; further callers wait.

    Args:
        budget: what is held of an image is reserved in it.
        limits: of all images.
        decode_seconds: wall-clock time for decoding one.
        tiles_in_flight: tiles of 512×512 of an image, or as many pixels, that wait for the network or are in it.
    """

    def __init__(
        self, budget: PixelBudget, *, limits: DecodeLimits, decode_seconds: float, tiles_in_flight: int
    ) -> None:
        self._budget = budget
        self._limits = limits
        self._decode_seconds = decode_seconds
        self._pixels_in_flight = tiles_in_flight * TILE_SIZE**2
        self._slots = BoundedSemaphore(_AT_ONCE)

    def segment(
        self,
        fetch: Callable[[], bytes],
        *,
        scale: float,
        intake: Intake,
        channel: str,
        postprocessing: PostProcessing,
        truth: Callable[[], bytes] | None,
        submit: Submit,
        witness: Callable[[TilePlan], Witness],
        check: Callable[[], None],
    ) -> WindowedResult:
        """Segment one image at `scale` times its resolution; the result has its own.

        What the arguments raise is raised, and what `shared.images.large.decode_to_file` raises.

        Args:
            fetch: gets the file's bytes, which are let go of as soon as they are in a file.
            scale: resamples the image for the network; `AUTO_SCALE`: as the spacing of its dots asks.
            intake: what the network takes.
            channel: what of its channels is taken, see `shared.images.channel_choice`.
            postprocessing: is done to the mask.
            truth: gets the true mask, a PNG of 1 bit, where the mask is to be scored against one.
            submit: has the network answer a tile.
            witness: makes what watches the tiles of a plan.
            check: called between tiles; it raises once nobody wants the result any more.
        """

        def source(descriptor: int) -> int:
            data = fetch()
            scratch.write(descriptor, data)
            return len(data)

        with self._slots, ExitStack() as files:
            check()
            with metrics.DECODE.time():
                pixels, note = decode_to_file(
                    source, limits=self._limits, seconds=self._decode_seconds, channel=channel
                )
                files.enter_context(pixels)
                shape = pixels.height, pixels.width
                true = None
                if truth is not None:
                    true = truth_in_file(truth(), shape, note, limits=self._limits, seconds=self._decode_seconds)
                    files.enter_context(true)
                used = used_scale(pixels, scale, intake)
                planes = pixels.apart()
                if used != 1.0:
                    planes = [files.enter_context(_resampled(plane, scaled(shape, used))) for plane in planes]
                prepared = PreparedFile.of(planes)
            plan = intake.plan(prepared.height, prepared.width)

            def window_at(place: Place) -> NDArray[np.float32]:
                window = prepared.window(*place.within(prepared.height, prepared.width))
                return window if window.ndim == 2 else window.mean(axis=0)

            with metrics.WAIT.time():
                files.enter_context(self._budget.reserve(plan.tile[0] * prepared.width // _CANVAS_SHARE))
            with metrics.INFER.time():
                watching = witness(plan)
                rows = self._segmented(prepared, plan, intake, submit, watching, check)
                if used != 1.0:
                    rows = resample_bands(rows, (prepared.height, prepared.width), shape)
                if pixels.has_holes:
                    rows = _without_holes(rows, pixels)
                result = encoded(rows, shape, watching.cut_at, postprocessing)
                judged = judge(
                    result.counts,
                    watching,
                    window_at,
                    is_constant=prepared.constant,
                    preparation=prepared.description,
                    scale=used,
                    found=result.found,
                )
                if true is not None:
                    parts = parts_of(result.mask_png, true, limits=self._limits, seconds=self._decode_seconds)
                    judged = replace(judged, measured=compare(judged.measured, parts))
                return WindowedResult(*shape, result.mask_png, result.probability_png, judged, note, pixels.pixel_size)

    def _segmented(
        self,
        prepared: PreparedFile,
        plan: TilePlan,
        intake: Intake,
        submit: Submit,
        witness: Witness,
        check: Callable[[], None],
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the blended levels of all rows from the top, some at a time."""
        if prepared.constant:
            for row in range(0, prepared.height, _BAND_ROWS):
                yield np.zeros((min(_BAND_ROWS, prepared.height - row), prepared.width), dtype=np.float32)
            return
        stitcher = BandStitcher(plan)
        most_in_flight = max(self._pixels_in_flight // (plan.tile[0] * plan.tile[1]), 1)
        in_flight: deque[Future[Answer]] = deque()

        def add_first(index: int) -> NDArray[np.float32] | None:
            answer = in_flight.popleft().result()
            witness.add(index, answer)
            return stitcher.add(answer.levels)

        for index in range(len(plan)):
            if len(in_flight) == most_in_flight:
                yield from _cut(add_first(index - most_in_flight))
                check()
            in_flight.append(submit(_tile(prepared, plan, intake, index)))
        while in_flight:
            yield from _cut(add_first(len(plan) - len(in_flight)))


def _resampled(plane: PixelFile, shape: tuple[int, int]) -> PixelFile:
    bands = resample_bands(plane.bands(), (plane.height, plane.width), shape)
    return PixelFile.of(bands, shape, has_holes=plane.has_holes)


def _tile(prepared: PreparedFile, plan: TilePlan, intake: Intake, index: int) -> NDArray[np.float32]:
    """Prepare the index-th tile; where it is larger than the image, amid more of its ground."""
    row, column = plan.start(index)
    height, width = min(plan.tile[0], plan.height), min(plan.tile[1], plan.width)
    window = prepared.window(row, column, height, width)
    return intake.padded(window, (plan.row_padding, plan.column_padding))


def _cut(rows: NDArray[np.float32] | None) -> Iterator[NDArray[np.float32]]:
    if rows is not None:
        for row in range(0, len(rows), _BAND_ROWS):
            yield rows[row : row + _BAND_ROWS].copy()  # the canvas is used again


def _without_holes(rows: Iterable[NDArray[np.float32]], stored: PixelFile) -> Iterator[NDArray[np.float32]]:
    """Nothing is found where there is no data."""
    row = 0
    for band in rows:
        missing = np.isnan(stored.window(row, 0, *band.shape))
        yield np.where(missing if missing.ndim == 2 else missing.any(axis=0), np.float32(0), band)
        row += len(band)
