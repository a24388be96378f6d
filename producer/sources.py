"""Finding the files to submit: sorted, each exactly once, and nothing opened that could hang or lead elsewhere.

A folder gives its files with an image's extension; hidden files, other files and linked folders are left out and
counted. A file that is named explicitly is always taken. What cannot be used becomes a source whose `read` raises
ItemError, so that it fails alone with its reason while its neighbours go on.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from producer.reading import bad_name, read_file, unreadable_folder
from shared.errors import UsageError
from shared.flows.submission import Source
from shared.images.formats import IMAGE_EXTENSIONS

# A longer path does not fit into PostgreSQL's index of paths.
_MAX_PATH_BYTES = 2000


@dataclass
class Survey:
    """How many files there are to submit, and what was left out."""

    images: int = 0
    other_files: int = 0
    hidden: int = 0
    subfolders: int = 0  # left out, unless recursive
    linked_folders: int = 0

    def notes(self) -> list[str]:
        """Return a line for each kind of thing that was left out."""
        left_out = [
            (self.subfolders, "subfolder{s} left out (--recursive takes them)"),
            (self.other_files, "file{s} without an image's extension left out"),
            (self.hidden, "hidden file{s} or folder{s} left out"),
            (self.linked_folders, "link{s} to folders not followed"),
        ]
        return [f"{count} {text.format(s='' if count == 1 else 's')}" for count, text in left_out if count]


class _Found(NamedTuple):
    """A file to submit: where it is, and the argument's folder that it may not lead out of (None: named itself)."""

    path: str
    root: str | None
    is_folder: bool = False  # a folder that cannot be listed: an item that fails stands for what may be in it


class Sources:
    """The sources that files and folders on the command line stand for; iterating again walks again.

    Paths are relative, with `/`: to the folder where one folder is given, else to the deepest folder that all
    arguments have in common. Memory holds the names of one folder at a time.
    """

    def __init__(self, arguments: Sequence[Path], *, recursive: bool, max_bytes: int) -> None:
        """Look at the arguments themselves, not into them.

        Raises:
            UsageError: an argument does not exist.
        """
        self.recursive = recursive
        self.max_bytes = max_bytes
        # A dict keeps the order and drops what is given twice.
        self.arguments = tuple(dict.fromkeys(_absolute(argument) for argument in arguments))
        self._folders = frozenset(filter(os.path.isdir, self.arguments))
        self._files = frozenset(self.arguments) - self._folders
        self.base = os.path.commonpath(
            [path if path in self._folders else os.path.dirname(path) for path in self.arguments]
        )

    @property
    def name(self) -> str:
        """What the arguments are called together: the name of the one file or of the common folder."""
        only = self.arguments[0] if len(self.arguments) == 1 else self.base
        return _printable(os.path.basename(only)) or "images"

    def survey(self) -> Survey:
        """Count what there is.

        Raises:
            UsageError: there is nothing to submit, or a folder given cannot be read.
        """
        survey = Survey()
        for _ in self._walk(survey):
            survey.images += 1
        if not survey.images:
            notes = "".join(f"; {note}" for note in survey.notes())
            raise UsageError(f"there is no image in {_printable(', '.join(self.arguments))}{notes}")
        return survey

    def __iter__(self) -> Iterator[Source]:
        for found in self._walk(Survey()):
            yield self._source(found)

    def _walk(self, survey: Survey) -> Iterator[_Found]:
        for argument in self.arguments:
            if argument in self._folders:
                yield from self._walk_folder(argument, survey)
            else:
                yield _Found(argument, None)

    def _walk_folder(self, root: str, survey: Survey) -> Iterator[_Found]:
        folders = [root]  # a stack, as folders may be nested deeper than Python's calls
        while folders:
            folder = folders.pop()
            try:
                files, subfolders = self._list(folder, survey)
            except OSError as error:
                if folder == root:
                    raise UsageError(f"cannot read the folder {_printable(root)}: {error.strerror}") from error
                yield _Found(folder, root, is_folder=True)
                continue
            yield from (_Found(os.path.join(folder, name), root) for name in files)
            folders.extend(os.path.join(folder, name) for name in reversed(subfolders))

    def _list(self, folder: str, survey: Survey) -> tuple[list[str], list[str]]:
        """Return the names of the files to take and of the folders to go into, each sorted."""
        files: list[str] = []
        subfolders: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.path in self._folders or entry.path in self._files:
                    continue  # an argument of its own, and taken as such
                if entry.name.startswith("."):
                    survey.hidden += 1
                elif entry.is_dir(follow_symlinks=False):
                    if self.recursive:
                        subfolders.append(entry.name)
                    else:
                        survey.subfolders += 1
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    survey.linked_folders += 1
                elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS:
                    files.append(entry.name)
                else:
                    survey.other_files += 1
        files.sort()
        return files, sorted(subfolders)

    def _source(self, found: _Found) -> Source:
        path = found.path.removeprefix(self.base).lstrip("/")
        shown = self._shown(path)
        if shown != path:
            return Source(shown, bad_name)
        if found.is_folder:
            return Source(path, unreadable_folder)
        return Source(path, partial(read_file, found.path, root=found.root, max_bytes=self.max_bytes))

    def _shown(self, path: str) -> str:
        """Return the path as the database takes it: itself, or a stand-in of a failed item that no other path has."""
        encoded = os.fsencode(path)
        if len(encoded) > _MAX_PATH_BYTES:
            digest = hashlib.sha256(encoded).hexdigest()
            return f"{encoded[:400].decode(errors='backslashreplace')}~{digest}"
        try:
            return encoded.decode()
        except UnicodeDecodeError:
            # Doubled backslashes keep two such names apart; a valid name may still be spelt like an escaped one.
            shown = encoded.replace(b"\\", b"\\\\").decode(errors="backslashreplace")
            while os.path.lexists(os.path.join(self.base, shown)):
                shown += " (not UTF-8)"
            return shown


def _absolute(argument: Path) -> str:
    # `..` after a symbolic link leads elsewhere than its spelling says; without it the user's spelling is kept.
    path = os.path.realpath(argument) if ".." in argument.parts else os.path.abspath(argument)
    if not os.path.lexists(path):
        raise UsageError(f"no such file or folder: {_printable(str(argument))}")
    return path


def _printable(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
