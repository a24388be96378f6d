"""What a look at the arguments finds: how much there is to submit, and what is left out and why."""

from collections import Counter
from dataclasses import dataclass, field

from shared.commandline import plural

_MOST_EXTENSIONS = 5
_MOST_LETTERS = 12
_NO_EXTENSION = "without an extension"


@dataclass
class Survey:
    """How many files there are to submit, and what was left out."""

    images: int = 0
    links_outside: int = 0  # among the images: links that lead out of the folder, which fail
    other: Counter[str] = field(default_factory=Counter)  # files that are no image by name or content, by extension
    hidden: int = 0
    results: int = 0  # folders that a download of results made
    subfolders: int = 0  # left out, unless recursive
    linked_folders: int = 0
    excluded: int = 0  # files and folders, by --exclude
    unusable_rows: int = 0  # of a manifest, among the images
    looks_inside: bool = True  # whether what is no image by its name may be one by its content

    def leave_out(self, extension: str) -> None:
        """Count a file that is no image by its extension, which may be empty, nor by its content."""
        self.leave_out_some(extension, 1)

    def leave_out_some(self, extension: str, count: int) -> None:
        """Count so many of them."""
        known = extension if len(extension) <= _MOST_LETTERS else "with long extensions"
        self.other[known.lower() or _NO_EXTENSION] += count

    def notes(self) -> list[str]:
        """Return a line for each kind of thing that was left out, or that will fail."""
        return [text for count, text in self._notes() if count]

    def _notes(self) -> list[tuple[int, str]]:
        by = "name or content" if self.looks_inside else "name"
        return [
            (self.subfolders, f"{plural(self.subfolders, 'subfolder')} left out (--recursive takes them)"),
            (
                len(self.other),
                f"{plural(self.other.total(), 'file')} left out, no image by {by}: {self._extensions()} "
                "(name them to try them)",
            ),
            (
                self.hidden,
                f"{self.hidden:,} hidden {'file or folder' if self.hidden == 1 else 'files or folders'} left out",
            ),
            (self.results, f"{plural(self.results, 'folder')} of earlier results left out"),
            (
                self.linked_folders,
                f"{self.linked_folders:,} link{'' if self.linked_folders == 1 else 's'} to folders not followed "
                "(--follow-links goes into them)",
            ),
            (self.excluded, f"{plural(self.excluded, 'name')} left out by --exclude"),
            (
                self.unusable_rows,
                f"{plural(self.unusable_rows, 'row')} of the manifest will fail, each with its reason",
            ),
            (
                self.links_outside,
                f"{plural(self.links_outside, 'image')} of {self.images:,} will fail, links that lead out of the "
                "folder (--follow-links takes what they lead to)",
            ),
        ]

    def _extensions(self) -> str:
        common = self.other.most_common()
        shown = [f"{count:,} {extension}" for extension, count in common[:_MOST_EXTENSIONS]]
        rest = sum(count for _, count in common[_MOST_EXTENSIONS:])
        return ", ".join([*shown, f"{rest:,} others"] if rest else shown)
