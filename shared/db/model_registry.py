"""The model registry: published models, and which of them new jobs get.

The files are in the object store under the SHA-256 of the weights; a row in SQL makes them a published model. A job
takes the model that it asks for, else the one that is active when it is created, and keeps it. Activations are a stack
whose popped entries stay as history, so that a rollback knows where to go; below the first one every worker uses its
own model (MODEL_PATH).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, exc, insert, select, update

from shared.db.database import Database, db_now
from shared.db.events import Actor, EventKind, record
from shared.db.tables.models import ActivationRow, ModelRow
from shared.errors import UsageError
from shared.store import ObjectStore, keys

# What decides how weights segment. The weights' hash names a model, so it has to stand for these too.
_IDENTITY = ("architecture", "arguments", "threshold", "preprocessing")
_DIGITS = re.compile(r"[0-9a-f]{4,64}")
MAX_NAME_LENGTH = 200
_MOST_NAMED = 8  # models in an error that says what there is
_NONE_PUBLISHED = "no model is published yet: `python -m training.publish --checkpoint FOLDER`"


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


class Score(NamedTuple):
    """A Dice that is shown with a model, and what it was measured on."""

    dice: float  # in [0, 1]
    of: str


def score_of(metrics: Any, name: str) -> Score | None:
    """Return the Dice of a model's metrics on a set, "val" or "clean"; None where it was not scored.

    That of the benchmark's set, else of images of one's own (`training.evaluate --data`) unless it was trained on some
    of them, else of what its training watched.
    """
    found = metrics if isinstance(metrics, Mapping) else {}
    own = "own" if name == "val" else ""
    for part, key, of in (
        (name, "dice", "the benchmark"),
        (own, "dice", "images of one's own"),
        ("monitor", f"{name}_dice", "the few images that its training watched"),
    ):
        scores = found.get(part)
        if not isinstance(scores, Mapping) or scores.get("trained_on"):
            continue
        if isinstance(value := scores.get(key), float):
            return Score(value, of)
    return None


_MODEL_COLUMNS = [getattr(ModelRow, field.name) for field in fields(Model)]
_STANDS = ActivationRow.rolled_back_at.is_(None)


def active_model() -> Select[Any]:
    """Return the query for the SHA-256 of the model that new jobs get; no row where workers use their own."""
    return select(ActivationRow.model).where(_STANDS).order_by(ActivationRow.number.desc()).limit(1)


def checked_name(name: str) -> str:
    """Return what a model is to be called, without blanks around it.

    Raises:
        UsageError: it is empty, too long, or not to be printed.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise UsageError(f"a model's name has 1 to {MAX_NAME_LENGTH} characters that can be printed, not {name!r:.80}")
    return name


def model_named(models: Sequence[Model], reference: str) -> Model:
    """Return the model of this name, of several the one published last; else the one whose SHA-256 begins so.

    Args:
        models: all published ones, the newest first.
        reference: a name, or four or more digits.

    Raises:
        UsageError: there is none, or several begin so.
    """
    found = [model for model in models if model.name == reference][:1]
    if not found and _DIGITS.fullmatch(digits := reference.lower()):
        found = [model for model in models if model.sha256.startswith(digits)]
    if len(found) > 1:
        raise UsageError(f"several models begin with {reference}: give more digits of the SHA-256")
    if not found:
        raise UsageError(_no_model(reference, models))
    return found[0]


def published_models(connection: Connection) -> list[Model]:
    """Return all published models, the newest first."""
    query = select(*_MODEL_COLUMNS).order_by(ModelRow.published_at.desc(), ModelRow.sha256)
    return [Model(**row._mapping) for row in connection.execute(query)]


def model_for(connection: Connection, reference: str | None) -> str | None:
    """Return the SHA-256 of the model that a new job gets which asks for this one; None: each worker's own.

    Raises:
        UsageError: see `model_named`.
    """
    if reference is None:
        active: str | None = connection.execute(active_model()).scalar_one_or_none()
        return active
    return model_named(published_models(connection), reference).sha256


def _no_model(reference: str, there: Sequence[Model]) -> str:
    if not there:
        return f"there is no model {reference!r}: {_NONE_PUBLISHED}"
    told = ", ".join(f"{model.name} ({model.sha256[:12]})" for model in there[:_MOST_NAMED])
    more = f" and {len(there) - _MOST_NAMED:,} more" if len(there) > _MOST_NAMED else ""
    return f"there is no model {reference!r}; there is {told}{more}"


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
            UsageError: these weights are published with another threshold, say, or this can be no name.
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
        values = {"sha256": sha256, "name": checked_name(name), "size": len(weights), "published_by": by, **described}
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

    def rename(self, reference: str, name: str) -> Model:
        """Call a model `name`.

        Raises:
            UsageError: there is no such model, or this can be no name.
        """
        sha256, name = self.model(reference).sha256, checked_name(name)
        with self.database.write() as connection:
            connection.execute(update(ModelRow).where(ModelRow.sha256 == sha256).values(name=name))
        return self.model(sha256)

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
        with self.database.read() as connection:
            return published_models(connection)

    def model(self, reference: str) -> Model:
        """Return the model of a name or of the first digits of its SHA-256, see `model_named`.

        Raises:
            UsageError: there is none, or there are several.
        """
        with self.database.read() as connection:
            return model_named(published_models(connection), reference)

    def find(self, sha256: str) -> Model | None:
        """Return the model of these weights, where it is published."""
        with self.database.read() as connection:
            row = connection.execute(select(*_MODEL_COLUMNS).where(ModelRow.sha256 == sha256)).one_or_none()
        return None if row is None else Model(**row._mapping)
