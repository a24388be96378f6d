"""Items as the viewer looks at them: decoded once, kept for the next region or the next who looks.

An image that fits in memory is held there. A larger one is decoded into a file on disk, from which regions are read,
and an overview of it is held; one at a time, since its decoding takes seconds and gigabytes of address space.
"""

import json
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from shared.images import scratch
from shared.images.channel_choice import AUTO
from shared.images.decoded import DecodedImage, DecodeLimits
from shared.images.heatmap import SHOWN_PERCENTILES
from shared.images.large import decode_to_file
from shared.images.probabilities import foreground_from
from shared.images.regions import Held, Intensities, Raster, Region, levels_of, reduced
from shared.jobs.records import Item
from shared.store.object_store import ObjectStore

HELD_PIXELS = 4096**2
"""Pixels of the largest image that is held in memory."""
_KEPT_PIXELS = 2 * HELD_PIXELS  # of all planes of all items that are held
_KEPT_LARGE = 2  # items in files on disk
_GZIP_LEVEL = 1  # of 3: pixels with noise become little smaller however long one tries


@dataclass
class Opened:
    """The planes of one item."""

    planes: Mapping[str, Raster]  # source, mask, probability, truth: those there are
    about: Mapping[str, Any]  # what is said of the image as a whole
    intensities: Intensities | None
    overviews: Mapping[str, NDArray[np.float32]]
    whites: Mapping[str, int]  # what is inside in a mask: 1 or 255
    files: ExitStack
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_closed: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        first = next(iter(self.planes.values()))
        return first.height, first.width

    def region(self, wanted: Region) -> bytes:
        """Return a region of all planes: the length of a JSON text, the text, and the planes behind one another."""
        listed, parts = [], []
        for name, raster in self.planes.items():
            samples = self._samples(name, self._reduced(name, raster, wanted))
            listed.append({"name": name, "bytes": samples.dtype.itemsize})
            parts.append(np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder("<"))).tobytes())
        rows, columns = wanted.shape
        place = {"x": wanted.column, "y": wanted.row, "step": wanted.step, "rows": rows, "columns": columns}
        text = json.dumps({**self.about, **place, "planes": listed}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)  # so that planes of two bytes a sample begin where they may
        return b"".join([struct.pack("<I", len(text)), text, *parts])

    def _reduced(self, name: str, raster: Raster, wanted: Region) -> NDArray[np.float32]:
        whole = Region.whole(*self.size)
        if name in self.overviews and wanted.step >= whole.step and wanted.step % whole.step == 0:
            step = whole.step
            coarse = Region(
                wanted.row // step,
                wanted.column // step,
                -(-wanted.height // step),
                -(-wanted.width // step),
                wanted.step // step,
            )
            return reduced(Held(self.overviews[name]), coarse)
        return reduced(raster, wanted)

    def _samples(self, name: str, values: NDArray[np.float32]) -> NDArray[Any]:
        if name == "source" and self.intensities is not None:
            return self.intensities.samples(values)
        if name == "probability":
            return np.rint(values).astype(np.uint8)
        return (values >= self.whites[name] / 2).astype(np.uint8)

    def small(self, side: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return source and mask, reduced until their longest side is `side` or less than half of it more."""
        height, width = self.size
        whole = Region.whole(height, width)
        step = whole.step
        while max(height, width) > 1.5 * side * step:
            step *= 2
        region = Region(0, 0, height, width, step)
        source, mask = (self._reduced(name, self.planes[name], region) for name in ("source", "mask"))
        if np.isnan(source).any():  # no data, shown as dark as the darkest
            source = np.where(np.isnan(source), np.nanmin(source), source)
        return source, mask >= self.whites["mask"] / 2

    def close(self) -> None:
        """Let go of the files."""
        with self.lock:
            self.is_closed = True
            self.files.close()


class OpenedItems:
    """The items that were looked at last, decoded; for all threads of the process.

    Args:
        decode: reads an image that is to be held.
        limits: of larger ones.
        seconds: for decoding one of those.
    """

    def __init__(self, decode: Callable[[bytes, str], DecodedImage], limits: DecodeLimits, seconds: float) -> None:
        self._decode = decode
        self._limits = limits
        self._seconds = seconds
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._large = threading.Lock()
        self._kept: OrderedDict[str, Opened] = OrderedDict()

    def region(
        self, name: str, item: Item, channel: str, store: ObjectStore, wanted: Callable[[int, int], Region]
    ) -> bytes:
        """Return a region of an item; `name` changes with the item's result, `wanted` gets rows and columns.

        `channel` is what the item's job takes of channels.

        Raises:
            ImageError, ImageOutOfMemory, ImageOutOfDisk, DecoderUnavailable: as `shared.images.large.decode_to_file`.
            ObjectMissing: an object of the item is gone.
        """
        while True:
            opened = self._opened(name, item, channel, store)
            with opened.lock:  # reading a file that another thread closes must not happen
                body = None if opened.is_closed else opened.region(wanted(*opened.size))
            if body is not None:
                return igzip.compress(body, _GZIP_LEVEL)

    def small(
        self, name: str, item: Item, channel: str, store: ObjectStore, side: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return source and mask of an item, reduced to a size near `side`; it raises what `region` raises."""
        while True:
            opened = self._opened(name, item, channel, store)
            with opened.lock:
                if not opened.is_closed:
                    return opened.small(side)

    def _opened(self, name: str, item: Item, channel: str, store: ObjectStore) -> Opened:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            lock = self._opening.setdefault(name, threading.Lock())
        with lock:  # two who ask for the same wait for one decoding
            with self._lock:
                if name in self._kept:
                    return self._kept[name]
            try:
                opened = self._open(item, channel, store)
            finally:
                with self._lock:
                    self._opening.pop(name, None)
            with self._lock:
                self._kept[name] = opened
                leaving = self._leaving()
        for each in leaving:
            each.close()
        return opened

    def _leaving(self) -> list[Opened]:
        leaving: list[Opened] = []
        while len(self._kept) > 1 and self._is_too_much():
            leaving.append(self._kept.popitem(last=False)[1])
        return leaving

    def _is_too_much(self) -> bool:
        large = sum(bool(each.overviews) for each in self._kept.values())
        held = sum(each.size[0] * each.size[1] for each in self._kept.values() if not each.overviews)
        return large > _KEPT_LARGE or held > _KEPT_PIXELS

    def _open(self, item: Item, channel: str, store: ObjectStore) -> Opened:
        keys = {
            "source": item.source_key, "mask": item.mask_key, "probability": item.probability_key,
            "truth": item.truth_key if item.mask_key else None,  # one that did not fit its image is not drawn
        }  # fmt: skip
        present = {name: key for name, key in keys.items() if key is not None}
        channels = dict.fromkeys(keys, AUTO) | {"source": channel}
        is_large = (item.width or 0) * (item.height or 0) > HELD_PIXELS
        with ExitStack() as files:
            if is_large:
                with self._large:
                    planes = {
                        name: files.enter_context(self._in_file(store, key, channels[name]))
                        for name, key in present.items()
                    }
            else:
                planes = {
                    name: Held(self._decode(store.get(key), channels[name]).pixels) for name, key in present.items()
                }
            whole = Region.whole(next(iter(planes.values())).height, next(iter(planes.values())).width)
            overviews = {name: reduced(raster, whole) for name, raster in planes.items()} if is_large else {}
            source = planes.get("source")
            intensities = None if source is None else Intensities.of(source, SHOWN_PERCENTILES)
            about = _about(item, planes, intensities)
            masks = {name: raster for name, raster in planes.items() if name in ("mask", "truth")}
            whites = {name: _white(overviews.get(name, raster)) for name, raster in masks.items()}
            return Opened(planes, about, intensities, overviews, whites, files.pop_all())

    def _in_file(self, store: ObjectStore, key: str, channel: str) -> Any:
        def source(descriptor: int) -> int:
            data = store.get(key)
            scratch.write(descriptor, data)
            return len(data)

        return decode_to_file(source, limits=self._limits, seconds=self._seconds, channel=channel)[0]


def _white(mask: Raster | NDArray[np.float32]) -> int:
    pixels = mask if isinstance(mask, np.ndarray) else mask.window(0, 0, mask.height, mask.width)
    return 255 if pixels.max() > 1 else 1


def _about(item: Item, planes: Mapping[str, Raster], intensities: Intensities | None) -> dict[str, Any]:
    first = next(iter(planes.values()))
    about: dict[str, Any] = {"width": first.width, "height": first.height}
    if intensities is not None:
        about["source"] = vars(intensities)
    if "probability" in planes:
        counts, inside = levels_of(planes["probability"], planes.get("truth"))
        about |= {"levels": counts, "inside": inside, "foreground_from": foreground_from(item.threshold or 0.5)}
    return about
