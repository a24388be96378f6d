"""Pictures that no network here was ever trained on: photographs, textures and micrographs out of installed packages.

None of them shows the task; what is found in them is made up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from shared.errors import ImageError
from shared.images.codec import decode
from shared.images.decoded import DecodeLimits
from training.evaluation.field_cases import Kind, Picture

_FOLDERS = {
    "skimage": "data",
    "matplotlib": "mpl-data/sample_data",
    "sklearn": "datasets/images",
    "mahotas": "demos/data",
}
"""Where the pictures lie in each package."""

_LEFT_OUT = ("lena.jpg",)  # at the wish of the person on it
_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif")
_LIMITS = DecodeLimits(min_side=64, max_side=4096)


@dataclass(frozen=True)
class Source:
    """A package, by its name in Python, and the folder of its pictures; None where it is not installed."""

    package: str
    folder: Path | None

    def pictures(self) -> Iterator[Picture]:
        """Yield the package's pictures as the worker would decode them, without those that it refuses."""
        kind = Kind(self.package, "foreign", "pictures in its wheel")
        for path in sorted(self.folder.iterdir()) if self.folder else ():
            if path.suffix in _SUFFIXES and path.name not in _LEFT_OUT:
                try:
                    image = decode(path.read_bytes(), limits=_LIMITS).pixels
                except ImageError:
                    continue
                yield Picture(kind, path.name, image, np.zeros(image.shape, dtype=np.bool_))


def sources() -> list[Source]:
    """Return all packages that pictures are known in."""
    return [Source(package, _folder(package, within)) for package, within in _FOLDERS.items()]


def _folder(package: str, within: str) -> Path | None:
    spec = find_spec(package)  # not imported: it may take seconds
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / within
    return folder if folder.is_dir() else None
