"""What a network takes: how many channels, at what resolution, and in tiles of which sides.

The shipped network has seen one channel in pictures of 512 px, and shapes of some size: small images are enlarged for
it, and surrounded by more of their ground up to that side. One that was trained on images of somebody's own gets them
as it got them there: in their own resolution, in tiles from the side of its samples up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.images.padding import Padding, pad_with_ground
from shared.images.scale import network_scale
from shared.net.tiling import TILE_SIDES, TILE_SIZE, TilePlan, iterate_tiles, plan_tiles, sides_from


@dataclass(frozen=True)
class Intake:
    """What a model.json says of the images that its network takes."""

    channels: int = 1
    smallest_tile: int = TILE_SIZE  # px; side of the smallest tile
    knows_padding: bool = False  # whether a channel behind the image's says where there is padding
    enlarges: bool = True  # whether small images are enlarged, see `shared.images.scale.working_scale`

    @classmethod
    def of_samples(cls, side: int, *, channels: int = 1, knows_padding: bool = False) -> "Intake":
        """Return that of a network trained on samples of this side, in px, cut from images as they are."""
        return cls(channels, min(side, TILE_SIDES[-1]), enlarges=False, knows_padding=knows_padding)

    def padded(self, image: NDArray[np.float32], padding: Padding) -> NDArray[np.float32]:
        """Surround a prepared image, H×W or C×H×W, by more of its ground, and say where, to a network that asks."""
        padded = pad_with_ground(image, padding)
        if not self.knows_padding:
            return padded
        known = np.zeros(padded.shape[-2:], dtype=np.float32)
        top, left = padding[0][0], padding[1][0]
        known[top : top + image.shape[-2], left : left + image.shape[-1]] = 1
        planes = np.broadcast_to(padded, (self.channels, *known.shape))
        return np.concatenate([planes, known[None]])

    def tiles(self, image: NDArray[np.float32], plan: TilePlan) -> Iterator[NDArray[np.float32]]:
        """Yield the tiles of a prepared image, H×W or C×H×W, in the plan's order."""
        return iterate_tiles(image, plan, self.padded)

    def plan(self, height: int, width: int) -> TilePlan:
        """Plan the tiles of an image of this size, as the network gets it."""
        return plan_tiles(height, width, sides_from(self.smallest_tile))

    def scale(self, shape: tuple[int, int], asked: float) -> float:
        """Return by how much an image (height, width) is resampled, where a job asks for `asked`, 1 for nothing."""
        return network_scale(shape, asked) if self.enlarges else asked


AS_SHIPPED = Intake()
"""What the shipped network takes, and every one from before a model.json said it."""
