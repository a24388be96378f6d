"""What a survey of a folder found, in lines that people read."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from shared.images.pairs.layout import in_words
from training.data.pairs.survey import Survey

_SHOWN = 4


def headline(survey: Survey) -> str:
    """Return one line: "48 pairs of 420×300 px, foreground 11.3 % (0 to 23 %), 3 empty, 0 full"."""
    if not survey.facts:
        return f"{len(survey.layout.pairs):,} pairs"
    shares = np.array([each.foreground for each in survey.facts])
    sides = Counter(f"{each.shape[1]}×{each.shape[0]}" for each in survey.facts)
    size = next(iter(sides)) if len(sides) == 1 else f"{len(sides)} sizes, mostly {sides.most_common(1)[0][0]}"
    head = f"{len(survey.facts):,} pairs of {size} px"
    if not survey.rules:
        return head
    return (
        f"{head}, foreground {_percent(shares.mean())} ({_percent(shares.min())} to {_percent(shares.max())}), "
        f"{(shares == 0).sum():,} empty, {(shares == 1).sum():,} full"
    )


def lines(survey: Survey) -> Iterator[str]:
    """Yield all that was found: the headline, how files were read, suspects and faults."""
    yield headline(survey)
    if survey.facts:
        yield f"  images  {_counted(each.stored for each in survey.facts)}"
        notes = Counter(note for each in survey.facts for note in each.notes)
        if notes:
            yield f"  read    {_counted(notes.elements())}"
    for kind, rule in survey.rules.items():
        what = {"value": "values", "lossy": "values in JPEG", "index": "palette", "colour": "colours"}[kind]
        yield f"  masks   {what}: foreground is {rule.reason}"
    widths = [each.signs.object_px for each in survey.facts if each.signs.object_px]
    if widths:
        yield f"  objects {np.median(widths):.0f} px wide in the median ({min(widths):.0f} to {max(widths):.0f} px)"
    parts = Counter(pair.part for pair in survey.layout.pairs if pair.part)
    if parts:
        yield f"  split   {_counted(parts.elements())}"
    if survey.layout.left_out:
        yield f"  files left out: {in_words(survey.layout.left_out)}"
    for suspicion, names in survey.suspects.items():
        yield f"look at: {suspicion} ({len(names):,}): {_some(names)}"
    for fault, names in survey.faults.items():
        yield f"fault: {fault}" if names == ("",) else f"fault: {fault} ({len(names):,})"
        yield from (f"    {name}" for name in names if name)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.01 or share == 0 else f"{share:.3%}"


def _counted(words: Iterable[str]) -> str:
    counts = Counter(words).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{count:,} × {word}" for word, count in counts)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
