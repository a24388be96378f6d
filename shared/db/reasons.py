"""Why a result may not be what one hoped for, in words for people: every code word and what it says, declared once.

Rows, results.csv and the API have the code word, which is stable. Pages and the command line have the sentence.
`worker.explaining` decides which one holds.
"""

from enum import StrEnum

UNFAMILIAR_BELOW = 0.02
"""A picture of less familiarity is unfamiliar. The number stands in an index of `ItemRow`: a change is a migration."""


class Reason(StrEnum):
    """Why; the first that holds is told."""

    CONSTANT = "constant"
    TOO_COARSE = "dots_too_large"
    TOO_FINE = "dots_too_close"
    WRITING = "writing"
    UNEVEN = "uneven_ground"
    SATURATED = "saturated"
    UNLIKE_TRAINING = "unlike_training"
    NOTHING_FOUND = "nothing_found"

    @property
    def label(self) -> str:
        """A few words, for a badge."""
        return _WORDS[self][0]

    @property
    def sentence(self) -> str:
        """What is the matter and, where something can be done about it, what."""
        return _WORDS[self][1]


_WORDS = {
    Reason.CONSTANT: (
        "nothing but ground",
        "All pixels have one value, or one that changes smoothly: there is nothing to be seen in this picture.",
    ),
    Reason.TOO_COARSE: (
        "dots far apart",
        "The dots are larger or further apart than the model knows: try --scale 0.25, or 0.5.",
    ),
    Reason.TOO_FINE: ("dots too close", "The dots are smaller or closer together than the model knows: try --scale 2."),
    Reason.WRITING: (
        "text or document",
        "This looks like a page of text or a document: the model outlines shapes that are filled with dots.",
    ),
    Reason.UNEVEN: (
        "uneven ground",
        "The background is much brighter on one side than on the other: even out the illumination.",
    ),
    Reason.SATURATED: (
        "large white areas",
        "A quarter of this picture or more is pure white: it is overexposed, or a page, a drawing or a screenshot.",
    ),
    Reason.UNLIKE_TRAINING: (
        "unlike training",
        "This picture looks unlike anything that the model was trained on: do not rely on its outline.",
    ),
    Reason.NOTHING_FOUND: ("nothing found", "No shape was found in this picture."),
}


def label_of(code: str | None) -> str:
    """Return the label of a code word; "" of none."""
    return "" if code is None else Reason(code).label


def sentence_of(code: str | None, place: str | None = None) -> str:
    """Return the sentence of a code word, with the place in a large picture that it is about; "" of none."""
    if code is None:
        return ""
    said = Reason(code).sentence
    return f"{said} Worst at {place}." if place else said
