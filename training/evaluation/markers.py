"""What a command writes into a document that people write: the part between two markers."""

from dataclasses import dataclass
from pathlib import Path

from shared.errors import UsageError


@dataclass(frozen=True)
class Markers:
    """Two comments in a Markdown file, between which the tables of `name` stand."""

    name: str

    @property
    def begin(self) -> str:
        """The line before the tables."""
        return f"<!-- {self.name}: begin -->"

    @property
    def end(self) -> str:
        """The line after the tables."""
        return f"<!-- {self.name}: end -->"

    def insert(self, path: Path, text: str) -> None:
        """Replace what stands between the markers of the file.

        Raises:
            UsageError: the file cannot be read or written, or lacks a marker.
        """
        try:
            document = path.read_text(encoding="utf-8")
            before, begin, rest = document.partition(self.begin)
            _, end, after = rest.partition(self.end)
            if not begin or not end:
                raise UsageError(
                    f"{path} has no place for the tables: put the lines {self.begin} and {self.end} where they belong"
                )
            path.write_text(f"{before}{self.begin}\n{text}{self.end}{after}", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be read or written: {error.strerror}") from error
