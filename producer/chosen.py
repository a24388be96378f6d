"""What the arguments and options of a command choose: the sources of `submit` and of `check` alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from producer.manifest import Manifest, ManifestSources
from producer.patterns import expanded
from producer.sources import Sources
from shared.errors import UsageError
from shared.flows.pages import FIRST_PAGE, PageChoice

if TYPE_CHECKING:
    from producer.points.sources import PointChoice


@dataclass(frozen=True)
class Choice:
    """How files are chosen among the arguments."""

    recursive: bool = False
    follow_links: bool = False
    pages: PageChoice = FIRST_PAGE
    exclude: Sequence[str] = ()
    manifest: Path | None = None
    points: "PointChoice | None" = None  # the files are tables of points; None: images


@dataclass(frozen=True)
class TruthChoice:
    """What a command says of truths: the folder of the masks, and what of them is foreground; None: by rule."""

    folder: Path
    foreground: str | None = None

    @property
    def identity(self) -> list[str]:
        """What tells a submission with these truths from another."""
        return [str(self.folder.resolve()), self.foreground or ""]


def sources_of(arguments: Sequence[Path], choice: Choice, *, max_bytes: int) -> Sources:
    """Return the sources that arguments stand for; of files, none larger than `max_bytes` is read.

    Raises:
        UsageError: an argument does not exist, the manifest cannot be used, or options contradict each other.
    """
    if choice.points is not None:
        return _point_sources(arguments, choice, choice.points, max_bytes)
    if choice.manifest is None:
        return Sources(
            expanded(arguments),
            recursive=choice.recursive,
            follow_links=choice.follow_links,
            max_bytes=max_bytes,
            pages=choice.pages,
            exclude=choice.exclude,
        )
    if len(arguments) > 1:
        raise UsageError("with a manifest give one folder, in which its files are, or none")
    if choice.exclude:
        raise UsageError("--exclude has no say beside --manifest, which names each file: take rows out of it instead")
    return ManifestSources(
        Manifest.read(choice.manifest),
        arguments[0] if arguments else None,
        max_bytes=max_bytes,
        follow_links=choice.follow_links,
        pages=choice.pages,
    )


def _point_sources(arguments: Sequence[Path], choice: Choice, points: "PointChoice", max_bytes: int) -> Sources:
    from producer.points.sources import PointSources  # with numpy, which a submission of images does not need

    if choice.manifest is not None or not choice.pages.is_first:
        raise UsageError(f"{'--pages' if choice.manifest is None else '--manifest'} is for images, not for --points")
    return PointSources(
        expanded(arguments),
        points,
        recursive=choice.recursive,
        max_bytes=max_bytes,
        follow_links=choice.follow_links,
        exclude=choice.exclude,
    )
