"""One image that somebody waits for."""

from typing import Annotated

from pydantic import Field

from admin.api.requests.base import Request, one_of
from admin.api.requests.images import Segmentation
from shared.flows.synthetic import MAX_DOTS, MAX_JITTER, MAX_SEED
from shared.ranges import Share
from shared.synth import NOISE_LABELS


class Predict(Segmentation):
    """One image that somebody waits for."""


class Demo(Request):
    """One generated image that somebody waits for."""

    num_dots: int = Field(default=40, ge=1, le=MAX_DOTS)
    jitter: float = Field(default=0.03, ge=0, le=MAX_JITTER, description="A share of the image's side.")
    severity: Share = Field(default=0.5, description="Of the noise.")
    noise: Annotated[str, *one_of(NOISE_LABELS)] | None = Field(default=None, description="Its kind; null: drawn.")
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED, description="Determines the image; null: any.")
