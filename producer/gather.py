"""What a folder keeps of a gathered file until it is whole, so that an interrupted export goes on where it was."""

import json
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from shared.flows.exports.export import StoredFile


class _Record(NamedTuple):
    modified: float
    at: int
    length: int


class PartsFile:
    """Parts of one file on disk: each a line of JSON (item, time of its result, length), its bytes and an end of line.

    A part that was cut off by a kill is the last one, and is written again. The first line says what they are parts of:
    those of another export are thrown away.
    """

    def __init__(self, path: Path, *, of: str) -> None:
        """Open it, and find what is there of the export that `of` tells from all others."""
        self._path = path
        self._of = json.dumps(of).encode() + b"\n"
        self._records: dict[str, _Record] = {}
        # Opened to be changed, which "a" does not allow, and made where it is missing, which "r+" does not.
        path.touch()
        self._file = path.open("r+b")
        self._end = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if error is None:
            self._path.unlink(missing_ok=True)

    def has(self, part: StoredFile) -> bool:
        """Whether the part of this very result is there."""
        record = self._records.get(part.name)
        return record is not None and record.modified == part.modified

    def add(self, part: StoredFile, data: bytes) -> None:
        """Keep a part."""
        header = json.dumps([part.name, part.modified, len(data)]).encode() + b"\n"
        self._file.seek(self._end)
        self._file.write(header + data + b"\n")
        self._records[part.name] = _Record(part.modified, self._end + len(header), len(data))
        self._end += len(header) + len(data) + 1

    def get(self, part: StoredFile) -> bytes:
        """Return a part that is there."""
        record = self._records[part.name]
        self._file.seek(record.at)
        return self._file.read(record.length)

    def _read(self) -> int:
        """Find the parts, and return where the last whole one ends; what is behind it goes."""
        if self._file.readline() != self._of:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(self._of)
            return len(self._of)
        end = len(self._of)
        while line := self._file.readline():
            try:
                name, modified, length = json.loads(line)
                self._file.seek(length, 1)
                if self._file.read(1) != b"\n":
                    break
            except (ValueError, TypeError):
                break
            self._records[name] = _Record(modified, end + len(line), length)
            end += len(line) + length + 1
        self._file.truncate(end)
        return end
