"""The picture of a result as the worker saw it, for whoever is to learn from it: mostly the file as it was submitted.

A file of which only a part was segmented, or that others show turned, is decoded once more, and becomes a grey TIFF of
the very pixels that lie under the mask.
"""

from dataclasses import dataclass

from shared.flows.exports.export import NotExportable, absent
from shared.flows.exports.pictures import tiff
from shared.images.channel_choice import AUTO
from shared.images.formats import IMAGE_EXTENSIONS
from shared.images.notes import NoteCode, note_codes
from shared.jobs.records import Item
from shared.store.references import extension_of_source

# Where a result has one of these, another reader may take another picture of the file, or turn it.
_TELLING = frozenset({NoteCode.PAGES, NoteCode.CHANNELS, NoteCode.PREVIEW, NoteCode.ORIENTATION})
_NEEDS = ("tifffile", "imagecodecs")


@dataclass(frozen=True)
class SeenPicture:
    """How the source of a result becomes the picture that the worker saw.

    Args:
        item: the result.
        channel: what its job takes of channels (`Job.channel`).
    """

    item: Item
    channel: str

    @property
    def is_as_submitted(self) -> bool:
        """Whether everybody reads the same from the file as the worker did."""
        return self.channel == AUTO and not _TELLING.intersection(note_codes(self.item.note))

    @property
    def extension(self) -> str:
        """The extension of the picture's file, with its dot, one by which an image is known."""
        if not self.is_as_submitted:
            return ".tif"
        suffix = extension_of_source(self.item.source_key or "").lower()
        return suffix if suffix in IMAGE_EXTENSIONS else ".png"  # whose content tells what it is

    def made_of(self, source: bytes) -> bytes:
        """Return the picture's file.

        Args:
            source: the item's, as it is stored.

        Raises:
            ImageError: it cannot be decoded any more.
            NotExportable: it has to be, and what that needs is not installed.
        """
        if self.is_as_submitted:
            return source
        if missing := absent(_NEEDS):
            raise NotExportable(
                f"the worker saw a part of it, and to write that {' and '.join(missing)} are needed: "
                "pip install 'delineate[export]' brings them"
            )
        from shared.flows.exports.decoding import decoded_any  # numpy is not loaded by who only submits

        pixels, has_holes = decoded_any(source, self.channel)
        return tiff(pixels, self.item, has_holes=has_holes)
