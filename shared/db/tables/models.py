"""The tables of published models, and of which one new jobs get."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.tables.base import Base


class ModelRow(Base):
    """A published model; its files are in the object store."""

    __tablename__ = "models"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the weights
    name: Mapped[str] = mapped_column(Text)
    summary: Mapped[dict[str, Any]] = mapped_column(nullable=False)  # architecture, threshold, metrics …
    size: Mapped[int] = mapped_column(BigInteger)  # bytes of the weights
    published_at: Mapped[float]
    published_by: Mapped[str] = mapped_column(Text)
    # SHA-256 of model.json as published; None where an older version published it.
    metadata_sha256: Mapped[str | None] = mapped_column(String(64))


class ActivationRow(Base):
    """A model that was made the one of new jobs; the latest that was not rolled back holds."""

    __tablename__ = "activations"

    number: Mapped[int] = mapped_column(primary_key=True)  # rising
    model: Mapped[str] = mapped_column(String(64), ForeignKey("models.sha256"))
    activated_at: Mapped[float]
    activated_by: Mapped[str] = mapped_column(Text)
    rolled_back_at: Mapped[float | None]
    rolled_back_by: Mapped[str | None] = mapped_column(Text)
