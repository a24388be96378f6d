"""The declared measurements of images and objects as fields of a response."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, create_model

from shared.db.measurements import MEASUREMENTS, Measurement
from shared.objects.table import OBJECT_COLUMNS

_Model = TypeVar("_Model", bound=BaseModel)


def with_measurements(model: type[_Model]) -> type[_Model]:
    """Return the model with a field for each measurement, after its own: null, or a value within the range."""
    declared: dict[str, Any] = {name: _field(measurement) for name, measurement in MEASUREMENTS.items()}
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **declared)


def with_objects_columns(model: type[_Model]) -> type[_Model]:
    """Return the model with a field for each column of a table of objects."""
    declared: dict[str, Any] = {
        name: (
            int | float | bool | None,
            Field(description=f"{column.explanation}{f' ({column.unit})' if column.unit else ''}."),
        )
        for name, column in OBJECT_COLUMNS.items()
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **declared)


def _field(measurement: Measurement) -> tuple[Any, Any]:
    value = Annotated[float, Field(ge=measurement.minimum, le=measurement.maximum)]
    return value | None, Field(description=measurement.description)
