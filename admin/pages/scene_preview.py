"""What a synthetic job's image will look like, drawn while its form is filled in."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from shared.images.heatmap import CONTOUR_COLOUR, contour
from shared.synth import synthesise

_LINE = 255  # the palette's place of the contour; greys have those below
_PALETTE = [value for grey in range(_LINE) for value in (grey, grey, grey)] + list(CONTOUR_COLOUR)


def scene_png(synthesis: dict[str, Any], *, with_truth: bool) -> bytes:
    """Return the image of these arguments of `synthesise` as PNG, with the contour of its truth where asked for.

    It has a palette, so that the contour's colour costs no more bytes than grey alone.

    Raises:
        UsageError: a value is out of its range, or a name is not known.
    """
    sample = synthesise(**synthesis)
    levels = np.minimum(sample.image, _LINE - 1)
    if with_truth:
        levels[contour(sample.mask)] = _LINE
    picture = Image.fromarray(levels)
    picture.putpalette(_PALETTE)
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
