"""How images are segmented, and how files become images."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from admin.api.requests.base import JobName, PriorityWord, Request, Text
from shared.flows.item_words import as_a_value
from shared.flows.pages import FIRST_PAGE, PAGES_PATTERN, pages_of_text
from shared.images.channel_choice import AUTO, CHANNEL_PATTERN, channel_of
from shared.images.scale import AUTO_SCALE, MAX_SCALE, MIN_SCALE
from shared.images.threshold import LEAST_THRESHOLD, MOST_THRESHOLD
from shared.jobs.records import Priority, Unfamiliar
from shared.objects.options import MAX_MIN_AREA, MAX_SMOOTH, PostProcessing
from shared.pixel_size import PixelSize

Pages = Annotated[str, Field(pattern=PAGES_PATTERN), AfterValidator(lambda text: as_a_value(pages_of_text, text).text)]
Channel = Annotated[str, Field(pattern=CHANNEL_PATTERN), AfterValidator(lambda text: as_a_value(channel_of, text))]
Scale = Annotated[float, Field(ge=MIN_SCALE, le=MAX_SCALE)]
Threshold = Annotated[float, Field(ge=LEAST_THRESHOLD, le=MOST_THRESHOLD)]


class Segmenting(Request):
    """Which network segments, and where its map is cut."""

    model: Text | None = Field(
        default=None,
        description="The published model, by its name (of several the one published last) or four or more digits of "
        "its SHA-256; null: the active one.",
    )
    threshold: Threshold | None = Field(
        default=None, description="Foreground is what is as probable or more; null: the model's own."
    )


class NewJob(Segmenting):
    """What every new job has."""

    priority: PriorityWord = Field(
        default=Priority.NORMAL.word,
        validate_default=True,
        description="Jobs of a higher priority go first, those of the same take turns. `high` is for a few images "
        "that somebody waits for: before many, all others wait.",
    )


def _checked_pixel_size(text: str) -> str:
    as_a_value(PixelSize.parse, text)
    return text


class _Masks(Segmenting):
    """What is done to masks before they are stored, in this order, and how large pixels are."""

    smooth: int = Field(
        default=0,
        ge=0,
        le=MAX_SMOOTH,
        description="Each pixel of a mask is as most are within so many px; 0: off.",
    )
    fill_holes: bool = Field(default=False, description="Holes of objects become part of them.")
    min_area: int = Field(default=0, ge=0, le=MAX_MIN_AREA, description="Objects of fewer pixels are dropped.")
    keep_largest: bool = Field(default=False, description="The largest object alone stays.")
    pixel_size: Annotated[str, Field(max_length=64), AfterValidator(_checked_pixel_size)] | None = Field(
        default=None, description="With its unit, `0.65um`, `0.5x0.6um`; null: what each TIFF says of its own."
    )

    @property
    def size_of_pixels(self) -> PixelSize | None:
        """Return how large pixels are, where that is said."""
        return None if self.pixel_size is None else PixelSize.parse(self.pixel_size)

    @property
    def postprocessing(self) -> PostProcessing:
        """Return what is to be done."""
        return PostProcessing(self.smooth, self.fill_holes, self.min_area, self.keep_largest)


class Segmentation(_Masks):
    """How images are segmented."""

    scale: Scale | Literal["auto"] = Field(
        default=1.0,
        description="Resamples the images for the network: 0.25 where dots lie 4 times as far apart as usual; `auto`: "
        "each image by the spacing of its dots. Results have the images' own size.",
    )
    unfamiliar: Unfamiliar = Field(
        default=Unfamiliar.FLAG,
        description="Images unlike anything that the model knows: `flag` says so in their results, `refuse` has them "
        "fail with the code `unfamiliar`.",
    )
    channel: Channel = Field(
        default=AUTO,
        description="What of the images' channels is segmented: `auto` the light, or what shows more, which a note "
        "tells; `luma`, `mean` or `max` of all; `red`, `green`, `blue`; or a channel's number, from 1. An image "
        "without it fails with the code `no_such_channel`.",
    )

    @property
    def factor(self) -> float:
        """Return by how much images are resampled, or that each has its own."""
        return AUTO_SCALE if isinstance(self.scale, str) else self.scale


class Images(NewJob, Segmentation):
    """What is asked for of images that are sent."""

    name: JobName = "upload"


class Files(Request):
    """How files that are sent become images."""

    pages: Pages = Field(
        default=FIRST_PAGE.text,
        description="Of a TIFF of several pages: `first`, or each of `all`, `3`, `1-10`, `1,4-6` as an image of its "
        "own, called `stack.tif#0007`.",
    )
