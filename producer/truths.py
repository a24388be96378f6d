"""Truths of a submission: the masks of its images, paired and read by the rules that training has for them.

Whatever does not fit is never scored: an image without a mask is noted, one whose mask cannot be used is an item that
fails with its reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from producer.chosen import TruthChoice
from producer.sources import Sources
from shared.commandline import plural
from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.flows.submission import Source
from shared.images.pairs.foreground import Foreground, MaskSummary, Rule, find_rules, foreground_of
from shared.images.pairs.layout import Layout, Pair, match
from shared.images.pairs.masks import Kind, RawMask, read_mask

_SHOWN = 3  # names in a note
_NEEDED = ("imagecodecs", "tifffile")


class Truths:
    """The masks of a submission's images, each read when its image is uploaded."""

    def __init__(self, layout: Layout, foreground: Foreground | None) -> None:
        self._layout = layout
        self._foreground = foreground
        self._rules: Mapping[Kind, Rule] = {}
        self._pairs = {pair.image.as_posix(): pair for pair in layout.pairs}

    @classmethod
    def find(cls, choice: TruthChoice, sources: Sources) -> "Truths":
        """Pair the masks with the images, and decide what of them is foreground; all of them are read for that.

        Raises:
            UsageError: there are no masks, none has an image, or nothing says what of them is foreground.
        """
        if not sources.pages.is_first:
            raise UsageError("--truth has masks of files, not of their pages: leave --pages away")
        if missing := [name for name in _NEEDED if find_spec(name) is None]:
            raise UsageError(f"--truth reads masks by {' and '.join(missing)}: pip install 'delineate[export]'")
        paths = [source.path for source in sources]
        layout = match(paths, choice.folder, {Path(sources.base, path).resolve() for path in paths})
        if not layout.pairs:
            raise UsageError(f"no mask in {choice.folder} has the name of an image: give both the same one")
        truths = cls(layout, None if choice.foreground is None else foreground_of(choice.foreground))
        truths._decide()
        return truths

    def notes(self) -> Iterator[str]:
        """Yield what people should know: how foreground is told, and what is not scored."""
        for rule in self._rules.values():
            yield f"truth: foreground is {rule.reason}"
        if lone := [path.as_posix() for path in self._layout.unpaired_images]:
            yield f"{plural(len(lone), 'image')} without a truth, not scored: {_some(lone)}"
        if masks := [path.name for path in self._layout.unpaired_masks]:
            yield f"{plural(len(masks), 'mask')} of no image, left out: {_some(masks)}"
        for first, second in self._layout.doubles:
            yield f"{first} and {second} are of one name: their images are not scored"

    def given_to(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Yield sources with their truths, those that have one."""
        for source in sources:
            pair = self._pairs.get(source.path)
            yield source if pair is None else replace(source, truth=partial(self._read, pair))

    def _read(self, pair: Pair) -> bytes:
        """Return the truth as a PNG of 1 bit.

        Raises:
            ItemError: the mask cannot be used.
        """
        from shared.images.codec import encode_mask

        try:
            mask = self._usable(pair)
        except UsageError as error:
            raise ItemError(ItemErrorCode.BAD_TRUTH, f"its truth {error}") from error
        if mask.kind not in self._rules:
            raise ItemError(ItemErrorCode.CHANGED, f"its truth {pair.masks[0]} has changed meanwhile: submit it again")
        return encode_mask(self._rules[mask.kind].apply(mask))

    def _decide(self) -> None:
        """Decide what is foreground by all masks that can be used."""
        summaries, reason = [], ""
        for pair in self._layout.pairs:
            try:
                summaries.append(MaskSummary.of(self._usable(pair)))
            except UsageError as error:
                reason = reason or str(error)
        if not summaries:
            raise UsageError(f"no mask in {self._layout.folder} can be used: {reason}")
        self._rules = find_rules(summaries, self._foreground, "--foreground")

    def _usable(self, pair: Pair) -> RawMask:
        mask = read_mask(pair.masks)
        if mask.orientation:
            raise UsageError(f"{pair.masks[0]} is shown turned (EXIF): save image and mask as they are shown")
        if mask.alpha is not None and self._foreground is None:
            raise UsageError(
                f"{pair.masks[0]} is transparent in places: give --foreground alpha where that is the mask, nonzero "
                "where its colours are"
            )
        return mask


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
