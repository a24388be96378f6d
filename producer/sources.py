"""Finding the files to submit: sorted, each exactly once, and nothing opened that could hang or lead elsewhere.

A folder gives its files that are images by their extension or their first bytes; hidden files, other files, linked
folders and the results of earlier jobs are left out and counted. A file that is named explicitly is always taken. What
cannot be used becomes a source whose `read` raises ItemError, so that it fails alone with its reason while its
neighbours go on.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from producer.reading import (
    bad_name,
    file_version,
    leads_outside,
    looks_like_an_image,
    read_file,
    unreadable_folder,
)
from producer.stacks import Stack
from producer.survey import Survey
from shared.commandline import plural
from shared.errors import UsageError
from shared.flows.exports.marker import is_results_folder
from shared.flows.exports.registry import EXPORTS
from shared.flows.pages import FIRST_PAGE, PageChoice, page_of
from shared.flows.sources import MAX_PATH_BYTES
from shared.flows.submission import Source
from shared.images.formats import IMAGE_EXTENSIONS, may_be_an_image
from shared.jobs.records import FileVersion
from shared.patterns import matches_one

_RESULTS = frozenset(name for export in EXPORTS.values() for name in export.top)


class Found(NamedTuple):
    """A file to submit: where it is, and the argument's folder that it may not lead out of (None: named itself)."""

    path: str
    root: str | None
    is_folder: bool = False  # a folder that cannot be listed: an item that fails stands for what may be in it


class Sources:
    """The sources that files and folders on the command line stand for; iterating again walks again.

    Paths are relative, with `/`: to the folder where one folder is given, else to the deepest folder that all
    arguments have in common. Memory holds the names of one folder at a time.
    """

    kind = "image"  # what is looked for, as people are told

    def __init__(
        self,
        arguments: Sequence[Path],
        *,
        recursive: bool,
        max_bytes: int,
        follow_links: bool = False,
        pages: PageChoice = FIRST_PAGE,
        exclude: Sequence[str] = (),
    ) -> None:
        """Look at the arguments themselves, not into them.

        With `follow_links` links are followed wherever they lead, those to folders too, each folder once. `pages` says
        which of a stack's pages are images of their own, `exclude` has patterns of what is left out.

        Raises:
            UsageError: an argument does not exist.
        """
        self.recursive = recursive
        self.follow_links = follow_links
        self.max_bytes = max_bytes
        self.pages = pages
        self.exclude = tuple(exclude)
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

    @property
    def identity(self) -> list[str]:
        """What else tells one submission of these arguments from another."""
        return [self.pages.text, *self.exclude]

    def survey(self) -> Survey:
        """Count what there is.

        Raises:
            UsageError: there is nothing to submit, or a folder given cannot be read.
        """
        survey = Survey()
        for found in self._walk(survey):
            survey.images += self._count(found)
        if not survey.images:
            notes = "".join(f"; {note}" for note in survey.notes())
            raise UsageError(f"there is no {self.kind} in {self._spelt}{notes}")
        if survey.links_outside == survey.images:
            only = f"the only {self.kind}" if survey.images == 1 else f"all {plural(survey.images, self.kind)}"
            are = "is a link" if survey.images == 1 else "are links"
            raise UsageError(f"{only} in {self._spelt} {are} that lead out of it: --follow-links takes what is there")
        return survey

    @property
    def _spelt(self) -> str:
        return _printable(", ".join(self.arguments))

    def version_of(self, path: str) -> FileVersion | None:
        """Return the version of the file of this relative path; None where there is none."""
        whole = os.path.join(self.base, path)
        if not self.pages.is_first and (page := page_of(whole)) and not os.path.lexists(whole):
            return self._stack(Found(page[0], None)).version(page[1])
        return file_version(whole)

    def __iter__(self) -> Iterator[Source]:
        for found in self._walk(Survey()):
            source = self._source(found)
            numbers = self._pages(found)
            yield from [source] if numbers is None else self._stack(found).sources(source.path, self.pages, numbers)

    def sources_of(self, file: str, name: str) -> list[Source]:
        """Return the sources that a file in the base folder, called `name`, stands for: itself, or pages of it."""
        found = Found(file, self.base)
        source = replace(self._source(found), path=name)
        numbers = self._pages(found)
        return [source] if numbers is None else self._stack(found).sources(name, self.pages, numbers)

    def _count(self, found: Found) -> int:
        numbers = self._pages(found)
        return 1 if numbers is None else max(len(numbers), 1)

    def _pages(self, found: Found) -> list[int] | None:
        """Return which pages of a file are images; None: it is one itself, or fails as one."""
        path = self._relative(found.path)
        if self.pages.is_first or found.is_folder or self.shown(path) != path:
            return None
        return self._stack(found).wanted(self.pages)

    def _stack(self, found: Found) -> Stack:
        return Stack(found.path, None if self.follow_links else found.root, self.max_bytes)

    def _walk(self, survey: Survey) -> Iterator[Found]:
        for argument in self.arguments:
            if argument in self._folders:
                yield from self._walk_folder(argument, survey)
            elif matches_one(self._relative(argument), self.exclude):
                survey.excluded += 1
            else:
                yield Found(argument, None)

    def _walk_folder(self, root: str, survey: Survey) -> Iterator[Found]:
        folders = [root]  # a stack, as folders may be nested deeper than Python's calls
        entered: set[tuple[int, int]] = set()
        while folders:
            folder = folders.pop()
            try:
                if self.follow_links and _is_entered(folder, entered):
                    continue
                files, subfolders = self._list(folder, root, survey)
            except OSError as error:
                if folder == root:
                    raise UsageError(f"cannot read the folder {_printable(root)}: {error.strerror}") from error
                yield Found(folder, root, is_folder=True)
                continue
            yield from (Found(os.path.join(folder, name), root) for name in files)
            folders.extend(os.path.join(folder, name) for name in reversed(subfolders))

    def _list(self, folder: str, root: str, survey: Survey) -> tuple[list[str], list[str]]:
        """Return the names of the files to take and of the folders to go into, each sorted."""
        files: list[str] = []
        subfolders: list[str] = []
        results = _RESULTS if is_results_folder(Path(folder)) else frozenset[str]()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.path in self._folders or entry.path in self._files:
                    continue  # an argument of its own, and taken as such
                if entry.name.startswith("."):
                    survey.hidden += 1
                elif matches_one(self._relative(entry.path), self.exclude):
                    survey.excluded += 1
                elif _is_folder(entry):
                    if self._enters(entry, survey, results):
                        subfolders.append(entry.name)
                elif entry.name in results:
                    continue  # the table beside the folders that are counted
                elif self._is_image(entry):
                    files.append(entry.name)
                    survey.links_outside += self._leads_outside(entry, root)
                else:
                    survey.leave_out(_printable(os.path.splitext(entry.name)[1]))
        files.sort()
        return files, sorted(subfolders)

    def _enters(self, entry: os.DirEntry[str], survey: Survey, results: frozenset[str]) -> bool:
        """Whether a folder in a folder is gone into; counts it otherwise."""
        if entry.name in results:
            survey.results += 1
        elif entry.is_symlink() and not self.follow_links:
            survey.linked_folders += 1
        elif not self.recursive:
            survey.subfolders += 1
        else:
            return True
        return False

    def _is_image(self, entry: os.DirEntry[str]) -> bool:
        extension = os.path.splitext(entry.name)[1]
        if extension.lower() in IMAGE_EXTENSIONS:
            return True
        can_look = entry.is_file(follow_symlinks=False) and may_be_an_image(extension)
        return can_look and looks_like_an_image(entry.path)

    def _leads_outside(self, entry: os.DirEntry[str], root: str) -> bool:
        return entry.is_symlink() and not self.follow_links and leads_outside(entry.path, root)

    def _source(self, found: Found) -> Source:
        path = self._relative(found.path)
        shown = self.shown(path)
        if shown != path:
            return Source(shown, bad_name)
        if found.is_folder:
            return Source(path, unreadable_folder)
        root = None if self.follow_links else found.root
        read = partial(read_file, found.path, root=root, max_bytes=self.max_bytes)
        return Source(path, read, partial(file_version, found.path))

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.base).lstrip("/")

    def shown(self, path: str) -> str:
        """Return the path as the database takes it: itself, or a stand-in of a failed item that no other path has."""
        encoded = os.fsencode(path)
        if len(encoded) > MAX_PATH_BYTES:
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


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _is_entered(folder: str, entered: set[tuple[int, int]]) -> bool:
    """Whether the folder was there before, under this or another name; notes that it was."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    known = identity in entered
    entered.add(identity)
    return known


def is_in_bucket(argument: Path) -> bool:
    """Whether an argument is an address in a bucket."""
    return argument.parts[:1] == ("s3:",) and not os.path.lexists(argument)


def address_of(argument: Path) -> str:
    """Return the address that an argument is, which has lost a slash as a path."""
    return "/".join(("s3:/", *argument.parts[1:]))


def _absolute(argument: Path) -> str:
    if is_in_bucket(argument):
        raise UsageError(
            f"{_printable(address_of(argument))} is in a bucket: `producer submit` takes one such address, and nothing "
            "beside it; otherwise copy it to a folder first"
        )
    # `..` after a symbolic link leads elsewhere than its spelling says; without it the user's spelling is kept.
    path = os.path.realpath(argument) if ".." in argument.parts else os.path.abspath(argument)
    if not os.path.lexists(path):
        raise UsageError(f"no such file or folder: {_printable(str(argument))}")
    return path


def _printable(path: str) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")
