"""A script: read a file, predict, write two files, one image after the other.

It has neither S3 nor SQL to wait for: files on this machine's disk, in and out. The network has all cores.
"""

import sys
import time
from pathlib import Path

from benchmarks.alternatives.one_image import segment
from benchmarks.predictors import shipped
from benchmarks.processes import answer_lines


def main() -> None:
    """Answer a number of images with images per second."""
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.mkdir(exist_ok=True)
    predictor = shipped()

    def run(images: int) -> float:
        start = time.perf_counter()
        for path in sorted(folder.iterdir())[:images]:
            mask, probability = segment(predictor, path.read_bytes())
            (output / f"{path.stem}-mask.png").write_bytes(mask)
            (output / f"{path.stem}-prob.png").write_bytes(probability)
        return images / (time.perf_counter() - start)

    answer_lines(lambda line: run(int(line)))


if __name__ == "__main__":
    main()
