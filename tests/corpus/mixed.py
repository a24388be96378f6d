"""A folder as people submit it: all formats and sizes, awkward names, and bad files among the good."""

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from tests.corpus.damage import BAD_BYTES, make_unreadable_files
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture


@dataclass(frozen=True)
class CorpusManifest:
    """What each file must become, by its path relative to the folder, with forward slashes."""

    good: dict[str, tuple[int, int]]  # width, height
    bad: dict[str, str]  # the ItemErrorCode's word


# Extensions are added, so that each name meets another format with another seed.
_AWKWARD_NAMES = (
    "with space",
    "  spaces at both ends ",
    'it\'s "quoted"',
    "line\nbreak",
    "tab\tand\rreturn",
    "Größe",
    "cafe\u0301 decomposed",
    "显微镜图像",
    "صورة",
    "microscope 🔬",
    "-starts-with-a-dash",
    "semi;colon, comma & ampersand",
    "100% #1? a=b",
    "back\\slash",
    "<b>bold</b>",
    "=1+1",
    "many.dots.in.it",
    "n" * 200,
)

# Two of one name in different folders, and three that fall together when each becomes a .png.
_NAMED = {
    "plate-1/well.png": "png-grey",
    "plate-2/well.png": "png-16-grey",
    "plate-2/deeper/still/well.png": "png-rgb",
    "together/a.jpg": "jpeg-grey",
    "together/a.tif": "tiff-16",
    "together/a.jpg.png": "png-grey",
    "UPPER.PNG": "png-palette",
    "named wrongly.png": "jpeg-rgb",
}

_LARGE = {
    "large/4096 x 4096.jpg": ("jpeg-grey", 4096, 4096),
    "large/2400 x 1800.tif": ("tiff-lzw", 2400, 1800),
    "large/2048 x 333.png": ("png-grey", 2048, 333),
    "large/16 x 4096.png": ("png-rgb", 16, 4096),
}


def build_mixed_corpus(folder: Path, count: int = 500, seed: int = 0) -> CorpusManifest:
    """Fill `folder`, made if it is not there, with `count` files, and tell what each must become.

    The same seed gives the same files. `count` must leave room for one file of each kind, about 120.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    bad = _write_bad(folder)
    wanted = [*_NAMED.items(), *((name, encoding) for name, (encoding, _, _) in _LARGE.items())]
    encodings = cycle(ENCODINGS)
    for stem, encoding in zip(_AWKWARD_NAMES, encodings, strict=False):
        wanted.append((f"names/{stem}{ENCODINGS[encoding].extension}", encoding))
    left = count - len(bad) - len(wanted)
    if left < len(ENCODINGS):
        raise ValueError(f"{count} files are too few: {count - left + len(ENCODINGS)} hold one of each kind")
    for number, encoding in enumerate(islice(cycle(ENCODINGS), left)):
        wanted.append((f"batch-{number % 7}/{number:04}-{encoding}{ENCODINGS[encoding].extension}", encoding))

    good = {}
    for number, (name, encoding) in enumerate(wanted):
        width, height = _LARGE[name][1:] if name in _LARGE else _size(rng, number)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ENCODINGS[encoding].encode(picture(width, height, seed=seed + number)))
        good[name] = (width, height)
    return CorpusManifest(good, bad)


def _size(rng: np.random.Generator, number: int) -> tuple[int, int]:
    """Small sizes and large ones alike, whatever the multiple of anything; the smallest allowed now and then."""
    if number % 50 == 20:
        return 16, 16
    width, height = np.exp(rng.uniform(np.log(16), np.log((900, 700))))
    return round(width), round(height)


def _write_bad(folder: Path) -> dict[str, str]:
    """Among the good: half of them beside the first files, half in a folder that holds nothing else."""
    bad = {}
    for number, (name, (make, code)) in enumerate(BAD_BYTES.items()):
        relative = f"bad/{name}" if number % 2 else name
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())
        bad[relative] = str(code)
    made = make_unreadable_files(folder / "bad")
    return bad | {f"bad/{name}": str(code) for name, code in made.items()}
