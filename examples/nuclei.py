"""Real images with masks to try one's hand at: nuclei under a fluorescence microscope, out of a package of PyPI.

    python examples/nuclei.py nuclei

The wheel of stardist bundles a picture of 512×512 px from the Data Science Bowl 2018 (Caicedo et al., Nature Methods
2019; CC0) with every nucleus numbered. It is cut into 16 tiles: nuclei/pairs/images and masks hold 12 to train on,
nuclei/batch and nuclei/truth the four of a diagonal. Nothing of the package is installed. A wheel that is there
already is taken by --wheel FILE.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import tifffile

PACKAGE = "stardist==0.9.1"
SHA256 = "1f2caf3a071c1ead1b0cbbf9614ff2c82967be1bd22764f097871fb9bbd2718f"
_SIDE = 128  # px


def main() -> int:
    """Write the tiles; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to; made if need be")
    parser.add_argument("--wheel", type=Path, help=f"of {PACKAGE}, instead of downloading it")
    options = parser.parse_args()
    try:
        picture, numbered = _read(options.wheel.read_bytes() if options.wheel else _downloaded())
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number in range(16):
        row, column = divmod(number, 4)
        part = np.s_[row * _SIDE : (row + 1) * _SIDE, column * _SIDE : (column + 1) * _SIDE]
        images, masks = ("batch", "truth") if row == column else ("pairs/images", "pairs/masks")
        for folder, pixels in ((images, picture), (masks, numbered)):
            path = options.folder / folder / f"nuclei-{number:02}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, pixels[part], compression="zlib")
    print(f"12 pairs in {options.folder}/pairs, 4 images in {options.folder}/batch, their masks in truth")
    return 0


def _downloaded() -> bytes:
    """Get the one wheel whose checksum is known, whatever this machine is."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = ["--python-version", "3.11", "--platform", "manylinux2014_x86_64", "--only-binary", ":all:"]
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *wanted, "--dest", folder, PACKAGE],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            reason = next(iter(done.stderr.strip().splitlines()[-1:]), "")
            raise OSError(f"pip cannot download {PACKAGE}: {reason}; give its wheel by --wheel FILE")
        return wheels[0].read_bytes()


def _read(wheel: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture and the numbers of its nuclei, both 512×512 of uint16."""
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise ValueError(f"this is not the wheel of {PACKAGE} that is meant: its checksum differs")
    with ZipFile(BytesIO(wheel)) as files:
        picture, numbered = (
            tifffile.imread(BytesIO(files.read(f"stardist/data/images/{name}2d.tif"))) for name in ("img", "mask")
        )
    return picture, numbered


if __name__ == "__main__":
    sys.exit(main())
