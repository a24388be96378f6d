"""A large image in files, as the network gets any window of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.images.large import PixelFile
from shared.images.preparation import Preparation


@dataclass(frozen=True, eq=False)
class PreparedFile:
    """The channels of an image, one at least, each with what was measured of it."""

    planes: tuple[tuple[PixelFile, Preparation], ...]

    @classmethod
    def of(cls, planes: Sequence[PixelFile]) -> Self:
        """Measure each channel by itself, as `shared.images.preparation.prepare` does."""
        return cls(tuple((plane, Preparation.of(plane)) for plane in planes))

    @property
    def height(self) -> int:
        """Rows."""
        return self.planes[0][0].height

    @property
    def width(self) -> int:
        """Columns."""
        return self.planes[0][0].width

    @property
    def constant(self) -> bool:
        """Whether there is nothing to be segmented."""
        return all(preparation.constant for _, preparation in self.planes)

    @property
    def description(self) -> str:
        """What was done to any of them, see `Preparation.description`."""
        return max((preparation.description for _, preparation in self.planes), key=len)

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Return a window, prepared: (height, width), or of several channels (C, height, width)."""
        windows = [
            preparation.window(plane.window(row, column, height, width), row, column)
            for plane, preparation in self.planes
        ]
        return windows[0] if len(windows) == 1 else np.stack(windows)
