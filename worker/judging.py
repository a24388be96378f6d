"""What is to be thought of a result: its measurements, and in words why it may not be what one hoped for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.db.measurements import Measurements
from shared.db.reasons import Reason
from shared.jobs.records import Mark, marks_of
from shared.net.witness import Place, Witness
from worker.explaining import explain
from worker.measuring import measure


@dataclass(frozen=True)
class Judged:
    """A result's measurements and its reason, if there is one to tell."""

    measured: Measurements[float]
    reason: Reason | None = None
    place: Place | None = None  # that the reason is about, in the image as the network got it, where that is larger

    @property
    def is_unfamiliar(self) -> bool:
        """Whether the picture looks unlike anything that the model knows, as far as that is known."""
        return Mark.UNFAMILIAR in marks_of(self.measured)

    def place_in_image(self, scale: float) -> str | None:
        """Return the place in words, in pixels of the image itself; `scale` is the network's image's over that."""
        if self.place is None:
            return None
        left, top, side = (round(each / scale) for each in (self.place.column, self.place.row, self.place.side))
        return f"x {left}, y {top}, {side} px a side"


def judge(
    counts: NDArray[np.int64],
    witness: Witness,
    pixels_at: Callable[[Place], NDArray[np.float32]],
    *,
    is_constant: bool,
) -> Judged:
    """Judge the result with this histogram of 8-bit probabilities.

    Args:
        counts: of the levels that are stored.
        witness: has seen the answers to all tiles.
        pixels_at: gets the pixels of a place, standardised; asked for the unfamiliar alone.
        is_constant: whether all of the image has one value.
    """
    verdict = witness.verdict(counts)
    judged = Judged(measure(counts, witness.threshold, verdict))
    if is_constant:
        return Judged(judged.measured, Reason.CONSTANT)
    if judged.is_unfamiliar and verdict.place is not None:
        place = verdict.place if witness.is_of_large_image else None
        return Judged(judged.measured, explain(pixels_at(verdict.place)), place)
    return Judged(judged.measured, None if judged.measured.foreground else Reason.NOTHING_FOUND)
