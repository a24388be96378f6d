"""From the channels of a picture to its one grey channel: which of them are taken, and what transparency lets through.

A model of several channels gets them apart instead: red, green and blue, or each as it is stored.

What is decided, is decided once for a file, on a look at its samples: at all of them where the picture is held as a
whole, at some rows of a larger one. A picture whose light is in its luma, and that hides nothing, is its luma.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import ImageError, ItemErrorCode
from shared.images.channel_choice import AUTO, COLOURS, LUMA, MAX, MEAN, planes_of
from shared.images.decoded import Pixels, in_pixel_type
from shared.images.grey import channel_of_contrast, luma, luma_of_cmyk
from shared.images.notes import Note, NoteCode

_MIN_RANGE = 0.02  # of full light, below which there is nothing to be seen
_LIGHT = 0.6  # of full light: what is lighter is better seen on black


@dataclass(frozen=True)
class Layout:
    """What the channels of an H×W×C picture are: the colours first, then alpha and others."""

    colours: int  # 1: grey; 3: red, green, blue; 4: amounts of ink
    samples: int  # C
    full: float  # the largest that a sample of a whole number can be; 0 of floats
    alpha: int | None = None  # which channel says how opaque a pixel is
    is_premultiplied: bool = False  # colours that have been multiplied by alpha

    @property
    def others(self) -> list[int]:
        """Channels that are neither colour nor alpha."""
        return [index for index in range(self.colours, self.samples) if index != self.alpha]

    @property
    def mixed(self) -> list[int]:
        """Channels that a mix is made of: all but alpha."""
        return [index for index in range(self.samples) if index != self.alpha]

    @property
    def apart(self) -> list[int]:
        """Channels that a model of several gets: all but alpha, and black ink, which the three other inks take in."""
        return [index for index in self.mixed if self.colours != 4 or index != 3]

    def require(self, choice: str) -> None:
        """Check that there is what somebody has chosen (`shared.images.channel_choice`).

        Raises:
            ImageError: `no_such_channel`.
        """
        wanted, found = planes_of(choice), len(self.apart)
        if wanted and found not in (1, wanted):
            raise ImageError(
                ItemErrorCode.NO_SUCH_CHANNEL, f"the model takes {wanted} channels, and the picture has {found}"
            )
        count = f"{self.samples} channel{'' if self.samples == 1 else 's'}"
        if choice.isdigit() and int(choice) > self.samples:
            raise ImageError(ItemErrorCode.NO_SUCH_CHANNEL, f"no channel {choice}: the picture has {count}")
        if choice in COLOURS and self.colours != 3:
            raise ImageError(
                ItemErrorCode.NO_SUCH_CHANNEL, f"no {choice} channel: the picture is not RGB, it has {count}"
            )
        if choice in (MEAN, MAX) and self.colours == 4:
            raise ImageError(ItemErrorCode.NO_SUCH_CHANNEL, f"no {choice} of inks: choose luma, or a channel by number")


@dataclass(frozen=True)
class Rendering:
    """How the pictures of one file become grey."""

    layout: Layout
    channel: int | None = None  # taken in place of the colours
    mix: str | None = None  # of all channels, taken in place of the colours: "mean" or "max"
    planes: int = 0  # channels that are given apart; 0: one grey one
    alpha: int | None = None  # as the layout has it, None where it is not applied
    opaque: float = 0.0  # alpha of what hides all that is behind it
    behind: float = 0.0  # light behind transparent parts
    is_transparent: bool = False  # whether there are any
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, look: NDArray[Any], layout: Layout, choice: str = AUTO) -> Self:
        """Decide.

        Args:
            look: H×W×C, samples of the picture, or all of them.
            layout: of the channels.
            choice: of channels, see `shared.images.channel_choice`. A single one is taken as it is stored, whatever
                lets it through; a mix is composed as colours are.

        Raises:
            ImageError: the picture has no such channel.
        """
        layout.require(choice)
        if planes_of(choice):
            return cls._apart(look, layout)
        if choice != AUTO:
            return cls._chosen(look, layout, choice)
        channel, notes = _taken(look, layout)
        made = cls(layout, channel, notes=tuple(notes))
        if layout.alpha is not None:
            made = made._through(look, layout.alpha)
        if layout.colours == 3 and channel is None:
            made = made._in_best_colour(look)
        return made

    @classmethod
    def _apart(cls, look: NDArray[Any], layout: Layout) -> Self:
        made = cls(layout, planes=len(layout.apart) if len(layout.apart) > 1 else 0)
        return made if layout.alpha is None else made._through(look, layout.alpha)

    @classmethod
    def _chosen(cls, look: NDArray[Any], layout: Layout, choice: str) -> Self:
        if choice not in (LUMA, MEAN, MAX):
            return cls(layout, COLOURS.index(choice) if choice in COLOURS else int(choice) - 1)
        made = cls(layout, mix=None if choice == LUMA else choice)
        return made if layout.alpha is None else made._through(look, layout.alpha)

    def pixels(self, channels: NDArray[Any]) -> Pixels:
        """Make samples of the file, H×W×C, what is asked for: grey H×W, or planes C×H×W where they are apart."""
        if not self.planes:
            return self.grey(channels)
        alpha = None if self.alpha is None else channels[..., self.alpha]
        planes = (self._plane(channels, index) for index in self.layout.apart)
        apart = [each if alpha is None else self._composed(each, alpha) for each in planes]
        return in_pixel_type(np.stack(apart))

    def _plane(self, channels: NDArray[Any], index: int) -> Pixels:
        if self.layout.colours != 4:
            return in_pixel_type(channels[..., index])
        if index > 3:
            return channels[..., index].astype(np.float32)
        full = np.float32(self.layout.full)  # an ink takes its colour away, as black does
        light = (full - channels[..., index].astype(np.float32)) * (full - channels[..., 3].astype(np.float32)) / full
        return np.asarray(light, dtype=np.float32)

    def grey(self, channels: NDArray[Any]) -> Pixels:
        """Make samples of the file, H×W×C, grey: H×W, whole numbers as they are where one channel is taken."""
        light = self._light(channels)
        return light if self.alpha is None else self._composed(light, channels[..., self.alpha])

    def _light(self, channels: NDArray[Any]) -> Pixels:
        if self.channel is not None:
            return in_pixel_type(channels[..., self.channel])
        if self.mix is not None:
            return _mixed(channels, self.layout.mixed, self.mix)
        match self.layout.colours:
            case 1:
                return in_pixel_type(channels[..., 0])
            case 3:
                return luma(channels)
            case _:
                return luma_of_cmyk(channels, int(self.layout.full))

    def _through(self, look: NDArray[Any], alpha: int) -> Self:
        """Decide what is behind transparent parts: white, as in a viewer, or black where what is seen is light."""
        shares = look[..., alpha]
        opaque = self.layout.full or max(float(shares.max()), 1.0)
        light = self._light(look)
        hidden = shares <= 0
        beneath = light[hidden]
        white = self.layout.full or max(float(light.max()), 1.0)
        hides = bool(beneath.size) and float(np.ptp(beneath)) > _MIN_RANGE * white
        if hidden.all():
            told = [_note("all of the picture is transparent, and taken as if it were not")] if hides else []
            return self._with(told, is_transparent=True)
        made = self._with([_note("what lies under transparent parts is not shown, they are white")] if hides else [])
        applied = {"alpha": alpha, "opaque": opaque, "is_transparent": not (shares >= opaque).all()}
        if not applied["is_transparent"] or float(np.average(light, weights=shares)) <= _LIGHT * white:
            return made._with([], behind=white, **applied)
        return made._with([_note("light on transparent, shown on black")], **applied)

    def _composed(self, light: Pixels, alpha: NDArray[Any]) -> Pixels:
        if (alpha >= self.opaque).all():
            return light
        share = np.clip(alpha.astype(np.float32) / np.float32(self.opaque), 0, 1)
        behind = np.float32(self.behind) * (1 - share)
        composed: NDArray[np.float32] = light + behind if self.layout.is_premultiplied else light * share + behind
        if light.dtype.name not in ("uint8", "uint16"):
            return composed.astype(np.float32, copy=False)
        return in_pixel_type(np.asarray(np.rint(composed)).astype(light.dtype))

    def _in_best_colour(self, look: NDArray[Any]) -> Self:
        colours = look[..., :3]
        if self.alpha is not None and not (look[..., self.alpha] >= self.opaque).all():
            planes = [self._composed(colours[..., index], look[..., self.alpha]) for index in range(3)]
            colours = np.stack(planes, axis=-1)
        best = channel_of_contrast(colours)
        if best is None:
            return self
        told = Note(NoteCode.COLOUR, f"the {best} channel was taken, in which far more is to be seen than in the light")
        return self._with([told], channel=COLOURS.index(best))

    def _with(self, notes: list[Note], **changes: Any) -> Self:
        return replace(self, notes=(*self.notes, *notes), **changes)


def _mixed(channels: NDArray[Any], indexes: list[int], mix: str) -> Pixels:
    """Return the mean, float32, or the largest of some channels, one after the other: memory for one is enough."""
    mixed = in_pixel_type(channels[..., indexes[0]])
    if len(indexes) == 1:
        return mixed
    if mix == MAX:
        for index in indexes[1:]:
            mixed = np.maximum(mixed, in_pixel_type(channels[..., index]))
        return mixed
    total = mixed.astype(np.float32)
    for index in indexes[1:]:
        total += channels[..., index]
    total /= np.float32(len(indexes))
    return total


def _taken(look: NDArray[Any], layout: Layout) -> tuple[int | None, list[Note]]:
    """Choose among several channels the first in which there is anything; None: the colours, as they come first."""
    if not layout.others:
        return None, []
    count = layout.colours + len(layout.others)  # without alpha
    if not _is_blank(look[..., : layout.colours]):
        which = "channel 1" if layout.colours == 1 else f"channels 1 to {layout.colours}"
        return None, [_of_channels(f"{which} of {count}, the rest is left out")]
    for number, index in enumerate(layout.others, layout.colours + 1):
        if not _is_blank(look[..., index]):
            return index, [_of_channels(f"channel {number} of {count}, those before it are blank")]
    return None, [_of_channels(f"channel 1 of {count}, and all are blank")]


def _is_blank(channels: NDArray[Any]) -> bool:
    first = channels[:1, :1]
    return bool((channels == first).all())


def _of_channels(sentence: str) -> Note:
    return Note(NoteCode.CHANNELS, sentence)


def _note(sentence: str) -> Note:
    return Note(NoteCode.TRANSPARENCY, sentence)
