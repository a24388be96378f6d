"""The options of commands that take point tables for images."""

import math
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from shared.errors import UsageError
from shared.pixel_size import MICROMETRES, micrometres

if TYPE_CHECKING:
    from producer.points.sources import PointChoice

_COLUMNS = "x,y,weight"
_SPACING_RANGE = 6.0, 100.0  # px
_OPTIONS = (
    click.option(
        "--points",
        "are_points",
        is_flag=True,
        help="The files are tables of points, CSV with columns x, y and perhaps weight: each is drawn as dots, and "
        "`export --format geojson-points` gives the outlines in the table's units.",
    ),
    click.option(
        "--dot-spacing",
        type=click.FloatRange(*_SPACING_RANGE),
        metavar="PX",
        help="Draw each table so that the median distance of a point to the nearest is so many pixels. Without it: 12.",
    ),
    click.option(
        "--point-pixel",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SIZE",
        help="Draw all tables with pixels of this side, in their units, in place of a spacing.",
    ),
    click.option(
        "--point-unit",
        metavar="UNIT",
        help="What x and y are in, such as nm or um. Without it: what the header says, as in `x [nm]`.",
    ),
    click.option(
        "--point-columns",
        metavar="X,Y[,WEIGHT]",
        help=f"What the columns are called, in any case. Without it: {_COLUMNS}, of which the last may be missing.",
    ),
)


def points_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of point tables; it gets them as `points`, None where the files are images."""

    @wraps(command)
    def with_points(
        *arguments: Any,
        are_points: bool,
        dot_spacing: float | None,
        point_pixel: float | None,
        point_unit: str | None,
        point_columns: str | None,
        **others: Any,
    ) -> Any:
        points = None
        said = {
            "--dot-spacing": dot_spacing,
            "--point-pixel": point_pixel,
            "--point-unit": point_unit,
            "--point-columns": point_columns,
        }
        if are_points:
            points = _chosen(dot_spacing, point_pixel, point_unit, point_columns)
        elif given := next((name for name, value in said.items() if value is not None), None):
            raise click.UsageError(f"{given} is for tables of points: give --points too")
        return command(*arguments, points=points, **others)

    for option in reversed(_OPTIONS):
        with_points = option(with_points)
    return with_points


def _chosen(spacing: float | None, pixel: float | None, unit: str | None, columns: str | None) -> "PointChoice":
    from producer.points.drawing import DOT_SPACING, DotChoice
    from producer.points.sources import PointChoice

    if spacing is not None and pixel is not None:
        raise click.UsageError("--dot-spacing chooses the pixels that --point-pixel gives: leave one of them away")
    if not all(math.isfinite(value) for value in (spacing, pixel) if value is not None):
        raise click.UsageError("--dot-spacing and --point-pixel are finite numbers, such as 12 and 0.1")
    if unit is not None and micrometres(unit) is None:
        raise UsageError(f"{unit!r} is no unit of length: give one such as {', '.join(list(MICROMETRES)[1:4])}")
    names = [name.strip() for name in (columns or _COLUMNS).split(",")]
    if not 2 <= len(names) <= 3 or not all(names) or len({name.lower() for name in names}) < len(names):
        raise UsageError(f"--point-columns is {columns!r}: give two or three names, as in {_COLUMNS}")
    return PointChoice(
        tuple(names), DotChoice(spacing or DOT_SPACING, pixel), unit or "", needs_all=columns is not None
    )
