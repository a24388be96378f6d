"""What was found in one image that somebody waited for, as the API gives it."""

from pydantic import Field

from admin.api.schemas.base import Response
from admin.api.schemas.items import Item


class Prediction(Response):
    """What was found in one image. Pictures are PNG in base64."""

    job: str = Field(description="The address of the job that it was.")
    item: Item
    mask: str = Field(description="Of the image's size, 8 bit: 0 and 255.")
    probability: str = Field(description="Of the image's size, 8 bit: 0 to 255 for 0 to 1.")


class Demonstration(Response):
    """A generated image, and what was found in it. Pictures are PNG in base64."""

    job: str = Field(description="The address of the job that it was.")
    item: Item
    num_dots: int
    jitter: float
    severity: float
    seed: int
    image: str = Field(description="What the network saw, 8 bit.")
    truth: str = Field(description="The true mask, 8 bit: 0 and 255.")
    mask: str = Field(description="What it found, 8 bit: 0 and 255.")
    probability: str = Field(description="8 bit: 0 to 255 for 0 to 1.")
    dice: float = Field(description="Of mask and truth, from 0 to 1.")
    iou: float = Field(description="Of mask and truth, from 0 to 1.")
    precision: float = Field(description="Share of the mask that is in the truth, from 0 to 1.")
    recall: float = Field(description="Share of the truth that is in the mask, from 0 to 1.")
