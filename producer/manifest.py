"""A manifest: a CSV that says which files are submitted, what they are called, and what else is known of them.

The column `path` (or `file`, `filename`, `image`) names a file, relative to the submitted folder or, without one, to
the manifest's own. `name` is what the image is called instead, `pixel_size` how large its pixels are. Every column but
the file's comes back in results.csv. A row that cannot be used is an image that fails with its reason; others go on.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from producer.reading import leads_outside
from producer.sources import Sources
from producer.survey import Survey
from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.flows.pages import FIRST_PAGE, PageChoice, page_of
from shared.flows.sources import MAX_PATH_BYTES, Source
from shared.jobs.records import FileVersion
from shared.pixel_size import PixelSize
from shared.portable import is_usable

_FILE_COLUMNS = ("path", "file", "filename", "image")
_NAME = "name"
_MAX_COLUMNS, _MAX_COLUMN_LENGTH, _MAX_VALUE_LENGTH = 100, 60, 2000
_MAX_BYTES = 2**28


@dataclass(frozen=True)
class Row:
    """One row: the file as it is written there, what is known of it, and why it cannot be used, where it cannot."""

    file: str
    described: Mapping[str, str]
    problem: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest by what their images are called, in their order."""

    path: Path
    rows: Mapping[str, Row]
    digest: str  # of its bytes

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read a manifest.

        Raises:
            UsageError: it cannot be read, has no column that names files, or names two images alike.
        """
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UsageError(f"the manifest {path} is larger than {_MAX_BYTES // 2**20} MiB: split it")
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except OSError as error:
            raise UsageError(f"the manifest {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"the manifest {path} is not UTF-8: save it as CSV in UTF-8") from error
        try:
            return cls(path, _rows(path, text), hashlib.sha256(data).hexdigest())
        except csv.Error as error:
            raise UsageError(f"the manifest {path} is no CSV: {error}") from error


def _rows(path: Path, text: str) -> dict[str, Row]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    lowered = [name.lower() for name in header]
    at = next((lowered.index(name) for name in _FILE_COLUMNS if name in lowered), None)
    if at is None:
        columns = ", ".join(header[:10]) or "none"
        raise UsageError(f"the manifest {path} has no column path that names the files (it has {columns})")
    _check_columns(path, header)
    rows: dict[str, Row] = {}
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        values = dict(zip(header, [*(cell.strip() for cell in cells), *[""] * len(header)], strict=False))
        file = values.pop(header[at])
        name = values.get(header[lowered.index(_NAME)], "") if _NAME in lowered else ""
        called = name or file
        if not file:
            called = f"row {reader.line_num} of {path.name}"
        if called in rows:
            raise UsageError(
                f"line {reader.line_num} of the manifest {path} names {called!r} a second time: "
                "give each a name of its own"
            )
        rows[called] = Row(file, values, _problem(file, called, values, too_long=len(cells) > len(header)))
    if not rows:
        raise UsageError(f"the manifest {path} has a header and no rows")
    return rows


def _check_columns(path: Path, header: list[str]) -> None:
    for name in header:
        if not name or len(name) > _MAX_COLUMN_LENGTH or not all(map(is_usable, name)):
            shown = repr(name[:_MAX_COLUMN_LENGTH]) if name else "without a name"
            raise UsageError(f"the manifest {path} has a column {shown}: name it in 1 to {_MAX_COLUMN_LENGTH} letters")
        if header.count(name) > 1:
            raise UsageError(f"the manifest {path} has the column {name!r} twice: rename one")
    if len(header) > _MAX_COLUMNS:
        raise UsageError(f"the manifest {path} has {len(header)} columns: at most {_MAX_COLUMNS} are taken")


def _problem(file: str, called: str, values: Mapping[str, str], *, too_long: bool) -> str | None:
    """Say why a row cannot be used; None where it can."""
    if not file:
        return "the row names no file"
    if any(part in ("", ".", "..") for part in called.split("/")) or "\0" in called + file:
        return "its name is no relative path: give one such as plate1/a.png"
    if len(os.fsencode(called)) > MAX_PATH_BYTES:
        return f"its name has more than {MAX_PATH_BYTES:,} bytes: give it a shorter one in the column {_NAME}"
    if too_long:
        return "the row has more cells than the header: quote cells with commas"
    if any(len(value) > _MAX_VALUE_LENGTH or "\0" in value for value in values.values()):
        return f"a cell has more than {_MAX_VALUE_LENGTH:,} letters"
    try:
        PixelSize.of_described(values)
    except UsageError as error:
        return str(error)
    return None


class ManifestSources(Sources):
    """The sources of a manifest's rows, and of nothing else."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path | None,
        *,
        max_bytes: int,
        follow_links: bool = False,
        pages: PageChoice = FIRST_PAGE,
    ) -> None:
        """Take files from `folder`, or from the manifest's own; those outside only with `follow_links`.

        Raises:
            UsageError: the folder is none.
        """
        where = manifest.path.parent if folder is None else folder
        super().__init__([where], recursive=True, max_bytes=max_bytes, follow_links=follow_links, pages=pages)
        if not os.path.isdir(self.base):
            raise UsageError(f"with a manifest give one folder, in which its files are; {self.base} is none")
        self._manifest = manifest

    @property
    def name(self) -> str:
        """What the submission is called: the manifest's name."""
        return self._manifest.path.stem or "images"

    @property
    def identity(self) -> list[str]:
        """What else tells one submission from another."""
        return [*super().identity, self._manifest.digest]

    def survey(self) -> Survey:
        """Count what there is."""
        survey = Survey()
        for name, row in self._manifest.rows.items():
            survey.images += len(self._sources_of(name, row))
            survey.unusable_rows += row.problem is not None
        return survey

    def version_of(self, path: str) -> FileVersion | None:
        """Return the version of the file, or the page of it, that is called so."""
        name = path if path in self._manifest.rows else (page_of(path) or ("", 0))[0]
        row = self._manifest.rows.get(name)
        if row is None or row.problem:
            return None
        found = {source.path: source for source in self._sources_of(name, row)}.get(path)
        return found.version() if found and found.version else None

    def __iter__(self) -> Iterator[Source]:
        for name, row in self._manifest.rows.items():
            yield from self._sources_of(name, row)

    def _sources_of(self, name: str, row: Row) -> list[Source]:
        described = dict(row.described)
        if row.problem is not None:
            refuse = partial(_refuse, ItemErrorCode.BAD_MANIFEST, row.problem)
            return [Source(self.shown(name), refuse, described=described)]
        file = os.path.normpath(os.path.join(self.base, row.file))
        if not self.follow_links and _is_outside(file, self.base):
            reason = "the manifest leads out of the submitted folder (--follow-links takes what is there)"
            return [Source(name, partial(_refuse, ItemErrorCode.SYMLINK_OUTSIDE, reason), described=described)]
        return [replace(source, described=described) for source in self.sources_of(file, name)]


def _is_outside(file: str, base: str) -> bool:
    inside = os.path.commonpath([file, base]) == base
    return not inside or (os.path.islink(file) and leads_outside(file, base))


def _refuse(code: ItemErrorCode, reason: str) -> NoReturn:
    raise ItemError(code, reason)
