"""The families of field-v1: what real pictures have, one kind at a time, each by name.

A family is drawn first, then its scene. `TRAINED` can be trained on; `HELD_OUT` never is, whatever a config says, so
that scores on it tell how the network does on what nobody thought of.
"""

from dataclasses import dataclass

from shared.errors import UsageError
from shared.synth.field import clutter, looks, shapes
from shared.synth.field.draws import Draw


@dataclass(frozen=True)
class Family:
    """One kind of picture.

    Attributes:
        name: of the family.
        group: of families alike: nothing, clutter, ground, texture, page, shapes, size.
        about: in a few words, for tables.
        draw: draws a scene of (height, width).
        weight: share among the families of its group.
        held_out: never trained on.
    """

    name: str
    group: str
    about: str
    draw: Draw
    weight: float = 1.0
    held_out: bool = False


GROUP_SHARES = {"nothing": 0.18, "clutter": 0.16, "ground": 0.17, "texture": 0.17, "page": 0.10, "shapes": 0.22}
"""The share of each group among the scenes that are trained on."""

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("empty", "nothing", "ground under any noise but the strongest", clutter.bare, 3.5),
        Family("constant", "nothing", "one value everywhere", clutter.constant, 0.4),
        Family("stray-dots", "nothing", "one to three dots", clutter.stray_dots(1, 3), 1.5),
        Family("empty-uneven", "nothing", "uneven ground", clutter.empty_uneven, 1.5),
        Family("empty-textured", "nothing", "noise that hangs together", clutter.empty_textured, 1.5),
        Family("empty-page", "nothing", "margins, text, defects", clutter.empty_page, 1.0),
        Family("five-strays", "nothing", "four to six dots", clutter.stray_dots(4, 6), held_out=True),
        Family("few-strays", "clutter", "a shape, and one to six stray dots", clutter.few_strays, 1.5),
        Family("clutter", "clutter", "stray dots, 2 to 30 % of the density inside", clutter.clutter(0.02, 0.3), 3.0),
        Family("debris", "clutter", "large bright things on the ground", clutter.debris, 1.0),
        Family("scratches", "clutter", "lines and fibres", clutter.scratches, 0.7),
        Family("clutter-dense", "clutter", "stray dots, 30 to 50 %", clutter.clutter(0.3, 0.5), held_out=True),
        Family("ramp", "ground", "light rising to one side by 5 to 60 %", looks.ground("ramp"), 1.5),
        Family("vignette", "ground", "dark corners", looks.ground("vignette")),
        Family("patch", "ground", "a bright or dark patch", looks.ground("patch"), 1.5),
        Family("clouds", "ground", "clouds of light", looks.ground("clouds"), 2.0),
        Family("stripes", "ground", "waves of light", looks.ground("stripes"), held_out=True),
        Family("two-grounds", "ground", "two of these at once", looks.two_grounds, held_out=True),
        Family("banding", "ground", "bands of rows", looks.banding, held_out=True),
        Family("lumpy", "texture", "noise that hangs together over 1 to 4 px", looks.texture("lumpy"), 2.5),
        Family("lines", "texture", "noise of rows or columns", looks.texture("lines"), 0.8),
        Family("filtered", "texture", "median or Gaussian filter on noise", looks.texture("filtered"), 1.5),
        Family("jpeg", "texture", "noise compressed as JPEG", looks.texture("jpeg")),
        Family("resampled", "texture", "noise through fewer pixels", looks.texture("resampled")),
        Family("enlarged", "texture", "enlarged after the noise", looks.enlarged, 1.2),
        Family("tonal", "texture", "stretched, gamma, few levels", looks.texture("tonal"), 0.8),
        Family("median7", "texture", "median filter of 7 px", looks.texture("median7"), held_out=True),
        Family("margin", "page", "margins of one value", looks.page("margin"), 1.5),
        Family("marks", "page", "scale bar and text", looks.page("marks"), 1.5),
        Family("hot", "page", "hot pixels", looks.page("hot")),
        Family("dead", "page", "dead columns", looks.page("dead"), 0.5),
        Family("frame", "page", "a frame of one value", looks.page("frame"), held_out=True),
        Family("several", "shapes", "two to four shapes", shapes.several(2, 4), 2.5),
        Family("touching", "shapes", "two or three shapes that touch", shapes.several(2, 3, gap_px=-30.0)),
        Family("ring", "shapes", "a hole of 35 to 65 % of the shape", shapes.ring(0.35, 0.65), 1.5),
        Family("thin", "shapes", "long and thin", shapes.thin),
        Family("tiny", "shapes", "10 to 30 dots in 24 to 72 px", shapes.tiny, 1.5),
        Family("huge", "shapes", "larger than the benchmark's", shapes.huge),
        Family("cut", "shapes", "cut by the border", shapes.cut, 1.5),
        Family("filled", "shapes", "foreground everywhere", shapes.filled, 0.5),
        Family("other-dots", "shapes", "few, many, small or large dots", shapes.other_dots, 1.5),
        Family("faint", "shapes", "dots that one can just see", shapes.faint, 1.5),
        Family("five-shapes", "shapes", "five or six shapes", shapes.several(5, 6), held_out=True),
        Family("crescent", "shapes", "a crescent", shapes.crescent, held_out=True),
    )
}
TRAINED = tuple(name for name, family in FAMILIES.items() if not family.held_out)
HELD_OUT = tuple(name for name, family in FAMILIES.items() if family.held_out)


def family_named(name: str) -> Family:
    """Return the family of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise UsageError(f"field-v1 has no family {name!r}: use one of {', '.join(FAMILIES)}") from None


def trained_shares() -> dict[str, float]:
    """Return the share of each trained family among the scenes of training; they add up to 1."""
    shares: dict[str, float] = {}
    for group, share in GROUP_SHARES.items():
        members = [family for family in FAMILIES.values() if family.group == group and not family.held_out]
        total = sum(family.weight for family in members)
        shares |= {family.name: share * family.weight / total for family in members}
    return shares
