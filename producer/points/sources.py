"""Point tables on disk as sources: each is an image, `cells.csv.tif` of `cells.csv`, with its place in the table."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from typing_extensions import override

from producer.points.drawing import DotChoice, drawn, encoded, size_of_pixel
from producer.points.table import Points, read_points
from producer.sources import Found, Sources
from shared.flows.sources import Source
from shared.jobs.records import FileVersion
from shared.point_frame import DESCRIBED, PointFrame

TABLE_EXTENSIONS = frozenset({".csv", ".tsv"})
ENDING = ".tif"
"""Behind a table's name: what its picture is called."""

_NOTHING = dict.fromkeys(DESCRIBED, "")


@dataclass(frozen=True)
class PointChoice:
    """How tables are read and drawn.

    Args:
        columns: what x, y and perhaps the weight are called.
        dots: how large the pixels are.
        unit: of x and y, whatever the tables say; "" for what they say.
        needs_all: whether a table without a weight of that name is refused.
    """

    columns: Sequence[str]
    dots: DotChoice
    unit: str = ""
    needs_all: bool = False

    @property
    def identity(self) -> list[str]:
        """What tells a submission with this choice from another."""
        return [*self.columns, repr(self.dots), self.unit, str(self.needs_all)]

    def laid(self, data: bytes) -> tuple[Points, PointFrame, tuple[int, int]]:
        """Return the points of a table, and where their picture lies, with its height and width.

        Raises:
            ItemError: the table cannot be used.
        """
        points = read_points(data, self.columns, needs_all=self.needs_all)
        return points, *self.dots.frame(points, self.unit or points.unit)


class PointSources(Sources):
    """The sources that tables and folders of tables stand for."""

    kind = "point table"

    def __init__(
        self,
        arguments: Sequence[Path],
        points: PointChoice,
        *,
        recursive: bool,
        max_bytes: int,
        follow_links: bool = False,
        exclude: Sequence[str] = (),
    ) -> None:
        """See `Sources`; `points` says how tables are read and drawn."""
        super().__init__(
            arguments, recursive=recursive, max_bytes=max_bytes, follow_links=follow_links, exclude=exclude
        )
        self._points = points

    @property
    @override
    def identity(self) -> list[str]:
        return [*super().identity, *self._points.identity]

    @override
    def version_of(self, path: str) -> FileVersion | None:
        """None of any: an image does not tell how it was drawn, so that the same command alone goes on with a job."""
        return None

    @override
    def _is_image(self, entry: os.DirEntry[str]) -> bool:
        return Path(entry.name).suffix.lower() in TABLE_EXTENSIONS

    @override
    def _source(self, found: Found) -> Source:
        table = super()._source(found)
        if found.is_folder:  # one that cannot be listed
            return replace(table, described=_NOTHING)
        picture = _Picture(table, self._points)
        version = None if table.version is None else partial(_version, table.version)
        return Source(table.path + ENDING, picture.read, version, describe=picture.described)


@dataclass(eq=False)
class _Picture:
    """The picture of a table, which is drawn when it is read; then it is known where it lies in the table."""

    table: Source
    points: PointChoice
    frame: PointFrame | None = None

    def read(self) -> bytes:
        self.frame = None
        points, frame, shape = self.points.laid(self.table.read())
        data = encoded(drawn(points, frame, shape), size_of_pixel(frame))
        self.frame = frame
        return data

    def described(self) -> dict[str, str]:
        return _NOTHING if self.frame is None else self.frame.described()


def _version(of_table: Callable[[], FileVersion | None]) -> FileVersion | None:
    version = of_table()
    return version and version._replace(is_made=True)
