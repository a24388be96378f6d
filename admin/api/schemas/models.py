"""Published models, as the API gives them."""

from typing import Self

from pydantic import Field

from admin.api.schemas.base import Response, Time, time_of
from shared.db.model_registry import Model as RegisteredModel


class Model(Response):
    """A published model."""

    sha256: str
    name: str
    size: int = Field(description="bytes")
    published_at: Time
    published_by: str
    active: bool = Field(description="Whether new jobs get it.")

    @classmethod
    def of(cls, model: RegisteredModel, active: RegisteredModel | None) -> Self:
        """Return a model as the API gives it."""
        return cls(
            **{name: getattr(model, name) for name in ("sha256", "name", "size", "published_by")},
            published_at=time_of(model.published_at),
            active=active is not None and active.sha256 == model.sha256,
        )


class Models(Response):
    """The published models, the newest first; where none is active, new jobs get each worker's own."""

    models: list[Model]
