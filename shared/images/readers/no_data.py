"""Values that stand for "nothing was measured here": those that a file names, and those that look like it.

GDAL writes one into the tag GDAL_NODATA, as text. Taken for light, −9999 in a corner is all the contrast of a picture
whose light goes from 0 to 1.
"""

import re
from dataclasses import dataclass
from math import isinf, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.images.notes import Note, NoteCode

_NAN = re.compile(r"[-+]?(?:\d\.#(?:QNAN|SNAN|IND).*|nan.*)", re.IGNORECASE)
_HUGE, _TOLERANCES = 1e30, (1e-6, 1e-2)  # the lowest float is written in many ways
_FAR = 2.0  # times the range of all other values: no light is there
_APART = 0.1
_MIN_REST = 0.25  # of the pixels, where the value could be that of the picture's own ground
_MIN_TOGETHER = 0.9  # of the pixels have a neighbour of the value; those of a clipped ground are scattered
_USUAL = frozenset({-999, -9999, -99999, -999999, -32767, -32768, -2147483647, -2147483648})
_MIN_USUAL = 1e19
_STEP = 4  # px; of the other values some will do
_MIN_SHARE, _MIN_PIXELS = 2e-4, 4  # what stands for no data is rarely a pixel alone
_MIN_AT_EDGE = 0.02


@dataclass(frozen=True)
class NoData:
    """A value whose pixels are left out."""

    value: int | float

    def where(self, samples: NDArray[Any]) -> NDArray[np.bool_]:
        """H×W, where all channels of H×W×C samples as stored have the value."""
        return _where(samples, self.value)


def parse_no_data(text: object) -> int | float | None:
    """Return the value in GDAL_NODATA, None where it is none."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if not isinstance(text, str):
        return None
    text = text.strip("\0 \t\r\n").replace(",", ".")
    if _NAN.fullmatch(text):
        return float("nan")
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def fill_value(value: int | float | None, dtype: np.dtype[Any]) -> int | float:
    """Return the value of samples that a file leaves out: that of no data where the type has it, else 0."""
    if value is None:
        return 0
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return value if isnan(value) or isinf(value) or np.isfinite(dtype.type(value)) else 0
    return value if _is_of(value, dtype) else 0


def told(look: NDArray[Any], value: int | float) -> tuple[NoData | None, list[Note]]:
    """Decide whether pixels of the value that a file names are left out.

    They are not where that would leave dots without their ground: 0 may be named, and be the ground's own value.

    Args:
        look: H×W×C, samples as stored.
        value: the one that is named.
    """
    if look.dtype.kind != "f" and not _is_of(value, look.dtype):
        return None, []
    missing = _where(look, value)
    found = NoData(value)
    rest = look[~missing]
    if isnan(value) or not missing.any() or not rest.size:
        # Seen nowhere in a part of a large picture, it may yet be elsewhere: far from all light it is left out.
        return (found if isnan(value) or (rest.size and _distance(rest, value) >= _FAR) else None), []
    distance, enough = _distance(rest, value), len(rest) >= _MIN_REST * missing.size
    if rest.min() == rest.max():
        left_out = enough
    else:
        left_out = distance >= _FAR or (enough and (distance >= _APART or _is_together(missing)))
    if left_out:
        return found, []
    sentence = f"{value:g} is named as no data, and is the ground's own value here: it was taken as light"
    return None, [Note(NoteCode.NO_DATA, sentence)]


def untold(look: NDArray[Any]) -> tuple[NoData | None, list[Note]]:
    """Look for a value that seems to stand for no data although nothing says so.

    The usual ones of them are left out. Others are told of: dots may have one value, too.

    Args:
        look: H×W, samples as stored.
    """
    some = look[::_STEP, ::_STEP]
    for value in (look.min(), look.max()):
        rest = some[some != value]
        if not rest.size or rest.min() == rest.max() or _distance(rest, value) < _FAR:
            continue
        missing, number = look == value, value.item()
        if np.count_nonzero(missing) < max(_MIN_SHARE * look.size, _MIN_PIXELS):
            continue
        about = f"{number:g}, in {100 * missing.mean():.2g} % of the pixels"
        if number in _USUAL or abs(number) >= _MIN_USUAL:
            return NoData(number), [_note(f"one value, {about}, was taken for no data")]
        edges = np.concatenate([missing[0], missing[-1], missing[:, 0], missing[:, -1]])
        if edges.mean() >= _MIN_AT_EDGE:
            what_to_do = "if it stands for no data, name it in GDAL_NODATA"
            return None, [_note(f"one value, {about}, takes most of the range: {what_to_do}")]
    return None, []


def _distance(rest: NDArray[Any], value: Any) -> float:
    """From the value to the nearest of the others, in ranges of those; less than 0 among them."""
    low, high = rest.min().item(), rest.max().item()  # Python's numbers: of large ones no digits are lost
    if isinstance(value, np.generic):
        value = value.item()
    return float(max(low - value, value - high) / (high - low)) if high > low else np.inf


def _is_together(missing: NDArray[np.bool_]) -> bool:
    return bool((missing[:, 1:] & missing[:, :-1]).sum() >= _MIN_TOGETHER * missing[:, :-1].sum())


def _where(samples: NDArray[Any], value: int | float) -> NDArray[np.bool_]:
    everywhere: NDArray[np.bool_] = np.logical_and.reduce(_equal(samples, value), axis=2)
    return everywhere


def _equal(samples: NDArray[Any], value: int | float) -> NDArray[np.bool_]:
    equal: NDArray[np.bool_]
    if samples.dtype.kind != "f":
        equal = samples == value if _is_of(value, samples.dtype) else np.zeros(samples.shape, dtype=bool)
    elif isnan(value):
        equal = np.isnan(samples)
    elif isinf(value):
        equal = samples == value
    else:
        tolerance = _TOLERANCES[abs(value) >= _HUGE] * abs(value)
        with np.errstate(over="ignore", invalid="ignore"):
            equal = np.abs(samples.astype(np.float64, copy=False) - float(value)) <= tolerance
    return equal


def _is_of(value: int | float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "b":
        return value in (0, 1)
    bounds = np.iinfo(dtype)
    return isinstance(value, int) and bounds.min <= value <= bounds.max


def _note(sentence: str) -> Note:
    return Note(NoteCode.NO_DATA, sentence)
