"""What is to be thought of a result: its measurements, and in words why it may not be what one hoped for."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.db.measurements import Measurements
from shared.db.reasons import Reason
from shared.images.scale import with_scale
from shared.jobs.records import Mark, marks_of
from shared.net.witness import Place, Witness
from worker.explaining import explain
from worker.measuring import MaskNumbers, measure


@dataclass(frozen=True)
class Judged:
    """A result's measurements and its reason, if there is one to tell."""

    measured: Measurements[float]
    preprocessing: str  # what was done to the image before the network saw it, as its provenance has it
    scale: float = 1.0  # by which it was resampled for the network
    reason: Reason | None = None
    place: Place | None = None  # that the reason is about, in the image as the network got it, where that is larger

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the picture looks unlike anything that the model knows, as far as that is known."""
        return Mark.UNFAMILIAR in marks_of(self.measured, None)

    @property
    def place_in_image(self) -> str | None:
        """The place in words, in pixels of the image itself."""
        if self.place is None:
            return None
        left, top, side = (round(each / self.scale) for each in (self.place.column, self.place.row, self.place.side))
        return f"x {left}, y {top}, {side} px a side"


def judge(
    counts: NDArray[np.int64],
    witness: Witness,
    pixels_at: Callable[[Place], NDArray[np.float32]],
    *,
    is_constant: bool,
    preparation: str,
    scale: float,
    found: MaskNumbers | None = None,
) -> Judged:
    """Judge the result with this histogram of 8-bit probabilities.

    Args:
        counts: of the levels that are stored.
        witness: has seen the answers to all tiles.
        pixels_at: gets the pixels of a place, standardised; asked for the unfamiliar alone.
        is_constant: whether all of the image has one value.
        preparation: what was done to the image's pixels, in words.
        scale: by which it was resampled for the network.
        found: what was counted in the mask that is stored.
    """
    verdict = witness.verdict(counts)
    judged = Judged(measure(counts, witness.cut_at, verdict, found), with_scale(preparation, scale), scale)
    if is_constant:
        return replace(judged, reason=Reason.CONSTANT)
    if judged.is_unfamiliar and verdict.place is not None:
        place = verdict.place if witness.is_of_large_image else None
        return replace(judged, reason=explain(pixels_at(verdict.place)), place=place)
    return replace(judged, reason=None if judged.measured.foreground else Reason.NOTHING_FOUND)
