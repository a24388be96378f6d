"""The model registry: published models, and which of them new jobs get.

The files are in the object store under the SHA-256 of the weights; a row in SQL makes them a published model. A job
takes the active model when it is created and keeps it. Activations are a stack whose popped entries stay as history,
so that a rollback knows where to go; below the first one every worker uses its own model (MODEL_PATH).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, exc, insert, select, update

from shared.db.database import Database, db_now
from shared.db.events import Actor, EventKind, record
from shared.db.tables.models import ActivationRow, ModelRow
from shared.errors import UsageError
from shared.store import ObjectStore, keys

# What decides how weights segment. The weights' hash names a model, so it has to stand for these too.
_IDENTITY = ("architecture", "arguments", "threshold", "preprocessing")
_REFERENCE = re.compile(r"[0-9a-f]{4,64}")
_NO_MODEL = "`admin models list` shows them"


@dataclass(frozen=True)
class Model:
    """A published model; the fields are columns of `ModelRow`, described there."""

    sha256: str
    name: str
    summary: dict[str, Any]
    size: int
    published_at: float
    published_by: str
    metadata_sha256: str | None = None

    def differs_from(self, metadata: bytes) -> str | None:
        """Return how a model.json differs from the one that was published; None where it is that one."""
        if self.metadata_sha256 is not None:
            return None if hashlib.sha256(metadata).hexdigest() == self.metadata_sha256 else "is another one"
        try:  # published by a version that kept no hash
            found = json.loads(metadata)
            differing = [key for key in _IDENTITY if key in self.summary and found.get(key) != self.summary[key]]
        except (ValueError, AttributeError, RecursionError):
            return "is none"
        return f"has another {' and '.join(differing)}" if differing else None


_MODEL_COLUMNS = [getattr(ModelRow, field.name) for field in fields(Model)]
_STANDS = ActivationRow.rolled_back_at.is_(None)


def active_model() -> Select[Any]:
    """Return the query for the SHA-256 of the model that new jobs get; no row where workers use their own."""
    return select(ActivationRow.model).where(_STANDS).order_by(ActivationRow.number.desc()).limit(1)


class ModelRegistry:
    """The models of one database and one object store."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self.database = database
        self._store = store

    def publish(
        self,
        weights: bytes,
        metadata: bytes,
        *,
        scores: bytes | None = None,
        name: str,
        summary: Mapping[str, Any],
        by: str,
    ) -> Model:
        """Store a checkpoint's files, which the caller has checked, and enter it; safe to repeat.

        Published again, a model keeps its name and gets the summary's newer metrics, and scores that were fitted anew;
        objects that went missing are put back.

        Raises:
            UsageError: these weights are published with another threshold, say.
            Retryable: the database or the store does not answer; nothing that workers see has changed.
        """
        sha256 = hashlib.sha256(weights).hexdigest()
        known = self.find(sha256)
        if known is not None:
            differing = [key for key in _IDENTITY if known.summary.get(key) != summary.get(key)]
            if differing:
                raise UsageError(
                    f"model {sha256[:12]} is published with another {' and '.join(differing)}, and jobs rely on it: "
                    "weights are published once"
                )
        # The row last: a model that has one has its files.
        self._store.put(keys.model_weights(sha256), weights)
        if scores is not None:
            self._store.put(keys.model_familiarity(sha256), scores)
        self._store.put(keys.model_metadata(sha256), metadata, "application/json")
        described = {"summary": dict(summary), "metadata_sha256": hashlib.sha256(metadata).hexdigest()}
        values = {"sha256": sha256, "name": name, "size": len(weights), "published_by": by, **described}
        if known is None:
            try:
                with self.database.write() as connection:
                    connection.execute(insert(ModelRow).values(**values, published_at=db_now()))
            except exc.IntegrityError as error:
                raise UsageError(f"model {sha256[:12]} is being published twice at once: run this again") from error
        else:
            with self.database.write() as connection:
                connection.execute(update(ModelRow).where(ModelRow.sha256 == sha256).values(**described))
        return self.model(sha256)

    def activate(self, reference: str, *, by: str) -> Model:
        """Make a model the one of new jobs; nothing changes where it is already.

        Raises:
            UsageError: there is no such model, the reference fits several, or its files are gone.
        """
        model = self.model(reference)
        for key in (keys.model_weights(model.sha256), keys.model_metadata(model.sha256)):
            if not self._store.exists(key):
                raise UsageError(f"{key} is no longer in the object store: publish the model again")
        with self.database.write() as connection:
            if connection.execute(active_model()).scalar_one_or_none() != model.sha256:
                connection.execute(
                    insert(ActivationRow).values(model=model.sha256, activated_at=db_now(), activated_by=by)
                )
                record(
                    connection, EventKind.MODEL_ACTIVATED, Actor.of_text(by), detail=f"{model.name} {model.sha256[:12]}"
                )
        return model

    def rollback(self, *, by: str) -> Model | None:
        """Undo the latest activation that stands; return the model that is active now, None for the workers' own.

        Raises:
            UsageError: there is none, or somebody else undoes it at the same time.
        """
        with self.database.write() as connection:
            latest = select(ActivationRow.number).where(_STANDS).order_by(ActivationRow.number.desc()).limit(1)
            number = connection.execute(latest).scalar_one_or_none()
            if number is None:
                raise UsageError("there is nothing to roll back to: no model is active, workers use their own")
            undo = update(ActivationRow).where(ActivationRow.number == number, _STANDS)
            if not connection.execute(undo.values(rolled_back_at=db_now(), rolled_back_by=by)).rowcount:
                raise UsageError("somebody else rolls back at the same time: look at `admin models list`")
            record(connection, EventKind.MODEL_ROLLED_BACK, Actor.of_text(by))
        return self.active()

    def active(self) -> Model | None:
        """Return the model that new jobs get; None where workers use their own."""
        with self.database.read() as connection:
            sha256 = connection.execute(active_model()).scalar_one_or_none()
        return None if sha256 is None else self.find(sha256)

    def models(self) -> list[Model]:
        """Return all published models, the newest first."""
        query = select(*_MODEL_COLUMNS).order_by(ModelRow.published_at.desc())
        with self.database.read() as connection:
            return [Model(**row._mapping) for row in connection.execute(query)]

    def model(self, reference: str) -> Model:
        """Return the model whose SHA-256 begins with these four digits or more.

        Raises:
            UsageError: there is none, there are several, or this can be no SHA-256.
        """
        reference = reference.lower()
        if not _REFERENCE.fullmatch(reference):
            raise UsageError(f"{reference!r} names no model: give four or more digits of its SHA-256 ({_NO_MODEL})")
        query = select(*_MODEL_COLUMNS).where(ModelRow.sha256.startswith(reference)).limit(2)
        with self.database.read() as connection:
            found = [Model(**row._mapping) for row in connection.execute(query)]
        if not found:
            raise UsageError(f"there is no model {reference}: {_NO_MODEL}")
        if len(found) > 1:
            raise UsageError(f"several models begin with {reference}: give more of the SHA-256 ({_NO_MODEL})")
        return found[0]

    def find(self, sha256: str) -> Model | None:
        """Return the model of these weights, where it is published."""
        with self.database.read() as connection:
            row = connection.execute(select(*_MODEL_COLUMNS).where(ModelRow.sha256 == sha256)).one_or_none()
        return None if row is None else Model(**row._mapping)
