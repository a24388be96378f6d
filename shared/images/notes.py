"""What whoever looks at a result should know of how its file was read: each kind of note, declared once.

A note is a stable code word and a sentence, "pages: first of 50 pages". An item has one text of them, joined by "; ".
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple


class NoteCode(StrEnum):
    """Which kind; scripts and filters rely on these words."""

    PAGES = "pages"
    CHANNELS = "channels"
    COLOUR = "colour"
    TRANSPARENCY = "transparency"
    ORIENTATION = "orientation"
    NO_DATA = "no_data"
    PREVIEW = "preview"
    CONSTANT = "constant"
    PIXEL_SIZE = "pixel_size"

    @property
    def label(self) -> str:
        """A few words for a count: "pages left out"."""
        return _LABELS[self]


_LABELS = {
    NoteCode.PAGES: "pages left out",
    NoteCode.CHANNELS: "channels left out",
    NoteCode.COLOUR: "one colour taken",
    NoteCode.TRANSPARENCY: "transparent parts",
    NoteCode.ORIENTATION: "orientation not applied",
    NoteCode.NO_DATA: "values that may stand for no data",
    NoteCode.PREVIEW: "preview beside the picture",
    NoteCode.CONSTANT: "nothing to be seen",
    NoteCode.PIXEL_SIZE: "pixel size not used",
}


OTHER_NOTE = "other"
"""Stands for a note of a kind that this version does not know."""


def told(kinds: Mapping[str, int]) -> str:
    """Return counts of notes by kind as words, the most frequent first: "2 × pages left out, 1 × other"."""
    labels = {code.value: code.label for code in NoteCode}
    ordered = sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count:,} × {labels.get(kind, kind)}" for kind, count in ordered)


class Note(NamedTuple):
    """One note; `str` is as it is stored."""

    code: NoteCode
    sentence: str  # one line of our own words, without "; "

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


CONSTANT = Note(NoteCode.CONSTANT, "nothing is to be seen in the picture, its mask is empty")


def joined(*parts: str | None, notes: Iterable[Note] = ()) -> str | None:
    """Return one text of texts and notes, None where there is nothing to tell."""
    return "; ".join([*filter(None, parts), *map(str, notes)]) or None


def note_codes(text: str | None) -> tuple[NoteCode, ...]:
    """Return the kinds of notes in an item's text, each once; rows from before there were code words tell of pages."""
    if not text:
        return ()
    words = [part.partition(": ")[0] for part in text.split("; ")]
    known = {code.value: code for code in NoteCode}
    found = dict.fromkeys(known[word] for word in words if word in known)
    return tuple(found) or ((NoteCode.PAGES,) if text.startswith("first of ") else ())
