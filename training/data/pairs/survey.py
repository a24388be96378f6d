"""Every pair of a folder looked at once, before anything is trained on it: what it holds, and all that is wrong."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from shared.errors import UsageError
from shared.images.notes import note_codes
from shared.images.pairs.foreground import MaskSummary, Rule, find_rules
from shared.images.pairs.layout import Layout, Pair, find_layout
from shared.images.pairs.masks import Kind, read_mask
from training.data.config import DataConfig
from training.data.pairs.colours import colour_of
from training.data.pairs.reading import TRANSPARENT, check_alpha, fitted, read_image
from training.data.pairs.suspects import Signs, signs_of

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told how many files of how many have been looked at."""

_THREADS = 4
_SHOWN = 3  # of each fault, in one line
_INVERTED_BORDER = 0.7  # share of the border in a mask that is its negative
_SAID = 0.2  # a contrast that tells which of the two is brighter


@dataclass(frozen=True)
class PairFacts:
    """What one pair is like."""

    pair: Pair
    shape: tuple[int, int]  # rows, columns
    stored: str  # of the image: "8-bit grey"
    foreground: float  # share of the pixels, in [0, 1]
    signs: Signs
    notes: tuple[str, ...]  # how the image was read
    image_digest: bytes
    mask_digest: bytes
    colour: float = 0.0  # share of what varies in the image that its light does not show, in [0, 1]


@dataclass(frozen=True)
class Survey:
    """What a folder holds; it can be trained on where `faults` is empty."""

    layout: Layout
    rules: Mapping[Kind, Rule]
    facts: tuple[PairFacts, ...]
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # each kind with what has it
    suspects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self) -> "Survey":
        """Return it, if the folder can be trained on.

        Raises:
            UsageError: it cannot; every kind of fault is told, with a few that have it.
        """
        if not self.faults:
            return self
        told = []
        for kind, those in self.faults.items():
            more = f" and {len(those) - _SHOWN:,} more" if len(those) > _SHOWN else ""
            told.append(f"{kind}: {', '.join(those[:_SHOWN])}{more}" if those != ("",) else kind)
        raise UsageError(
            f"{self.layout.folder} cannot be trained on: {'; '.join(told)} "
            f"(`python -m training.check {self.layout.folder}` lists all)"
        )


def survey(config: DataConfig, progress: Progress = lambda done, of: None) -> Survey:
    """Look at every pair of the config's folder.

    Raises:
        UsageError: the folder cannot be read, or has no images.
    """
    if config.folder is None:
        raise UsageError("data.folder: name the folder of the pairs")
    layout = find_layout(config.folder, config.mask_suffix)
    faults = _of_layout(layout)
    total = 2 * len(layout.pairs)
    with ThreadPoolExecutor(_THREADS) as threads, ExitStack() as stack:
        summaries: dict[Pair, MaskSummary] = {}
        stack.callback(threads.shutdown, cancel_futures=True)  # Ctrl-C waits for those that are read now alone
        looks = threads.map(lambda pair: _tried(lambda: _summary(pair, config)), layout.pairs)
        for done, (pair, (summary, fault)) in enumerate(zip(layout.pairs, looks, strict=True), 1):
            progress(done, total)
            if summary is not None:
                summaries[pair] = summary
            else:
                _note(faults, layout.folder, fault)
        rules = _rules(list(summaries.values()), config, faults)
        facts = []
        looks_at_pairs = threads.map(lambda pair: _tried(lambda: _facts(pair, rules)), summaries)
        for done, (found, fault) in enumerate(looks_at_pairs, 1 + total - len(summaries)):
            progress(done, total)
            if found is not None:
                facts.append(found)
            else:
                _note(faults, layout.folder, fault)
    if rules:
        _look_at_shares(facts, faults)
    ordered = {kind: tuple(those) for kind, those in faults.items()}
    return Survey(layout, rules, tuple(facts), ordered, _suspects(facts) if rules else {})


def _of_layout(layout: Layout) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = defaultdict(list)

    def name(path: Path) -> str:
        return path.relative_to(layout.folder).as_posix()

    for kind, paths in (
        ("images without a mask, which need one of the same name", layout.unpaired_images),
        ("masks without an image of the same name", layout.unpaired_masks),
    ):
        if paths:
            faults[kind] = [name(path) for path in paths]
    for first, second in layout.doubles:
        faults["two files of one name, of which to keep one"].append(f"{name(first)} and {name(second)}")
    if len(layout.pairs) < 2:
        faults[f"{len(layout.pairs)} pairs, of which training needs two at least, one to validate on"] = [""]
    return faults


def _tried(look: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return look(), ""
    except UsageError as error:
        return None, str(error)


def _note(faults: dict[str, list[str]], folder: Path, fault: str) -> None:
    place, found, rest = fault.removeprefix(f"{folder}/").partition(f" {TRANSPARENT}")
    if found:  # most often all of them
        faults[f"masks: {found.strip()}{rest}"].append(place)
    else:
        faults["files that cannot be used as they are"].append(place)


def _summary(pair: Pair, config: DataConfig) -> MaskSummary:
    mask = read_mask(pair.masks)
    check_alpha(pair, mask, config.foreground)
    return MaskSummary.of(mask)


def _rules(summaries: Sequence[MaskSummary], config: DataConfig, faults: dict[str, list[str]]) -> Mapping[Kind, Rule]:
    try:
        return find_rules(summaries, config.foreground)
    except UsageError as error:
        faults[str(error)] = [""]
        return {}


def _facts(pair: Pair, rules: Mapping[Kind, Rule]) -> PairFacts:
    image, raw = read_image(pair.image), read_mask(pair.masks)
    pixels = fitted(pair, image, raw)
    mask = rules[raw.kind].apply(raw) if rules else np.zeros(pixels.shape, dtype=bool)
    return PairFacts(
        pair,
        (pixels.shape[0], pixels.shape[1]),
        f"{image.bit_depth}-bit {image.mode}",
        float(mask.mean()),
        signs_of(pixels, mask),
        tuple(code.label for code in note_codes(image.note)),
        hashlib.blake2b(pixels.tobytes(), digest_size=16).digest(),
        hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).digest(),
        colour_of(pair, image),
    )


def _look_at_shares(facts: Sequence[PairFacts], faults: dict[str, list[str]]) -> None:
    shares = [each.foreground for each in facts]
    if len(shares) > 1 and max(shares) == 0:
        faults[f"all {len(shares)} masks are empty: there is nothing to learn"] = [""]
    elif len(shares) > 1 and min(shares) == 1:
        faults[f"all {len(shares)} masks are full: there is nothing to learn"] = [""]


def _suspects(facts: Sequence[PairFacts]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    usual = _usual_contrast(facts)
    for each in facts:
        name, signs = each.pair.name, each.signs
        if each.foreground == 1:
            found["masks that are full"].append(name)
        elif usual * signs.contrast < 0 and abs(signs.contrast) > _SAID:
            found["masks that may be inverted: what is bright elsewhere is dark in it"].append(name)
        elif signs.border > _INVERTED_BORDER and each.foreground > 0.5:
            found["masks that may be inverted: foreground up to the border"].append(name)
        if signs.suspicion:
            found[signs.suspicion].append(name)
    _doubles(facts, found)
    return {kind: tuple(names) for kind, names in found.items()}


def _usual_contrast(facts: Sequence[PairFacts]) -> int:
    """Return 1 where foreground is nearly always the brighter part, -1 where the darker one, else 0."""
    said = Counter(each.signs.contrast > 0 for each in facts if abs(each.signs.contrast) > _SAID)
    for bright in (True, False):
        if said[bright] >= 3 and said[bright] >= 4 * said[not bright]:
            return 1 if bright else -1
    return 0


def _doubles(facts: Sequence[PairFacts], found: dict[str, list[str]]) -> None:
    images: dict[bytes, list[PairFacts]] = defaultdict(list)
    masks: dict[bytes, list[PairFacts]] = defaultdict(list)
    for each in facts:
        images[each.image_digest].append(each)
        if 0 < each.foreground < 1:
            masks[each.mask_digest].append(each)
    for same in images.values():
        if len(same) > 1:
            differ = len({each.mask_digest for each in same}) > 1
            kind = "one image with different masks" if differ else "the same pair more than once"
            found[kind].append(" = ".join(each.pair.name for each in same))
    for same in masks.values():
        if len({each.image_digest for each in same}) > 1:
            found["one mask for different images"].append(" = ".join(each.pair.name for each in same))
