"""A real worker whose decoding stage misbehaves on marked images: `python -m tests.integration.worker.staged_worker`.

An image's width is its mark. CRASH ends the process as a segmentation fault in a library would. HOLD waits for
the file `release` in the folder that DELINEATE_HOME names, after it has made the file `held`.
"""

import os
import sys
import time
from pathlib import Path

import worker.process
from shared.config import load_settings
from shared.images.decoded import DecodedImage
from shared.images.isolated import Decoders
from worker.__main__ import main

CRASH, HOLD = 66, 67


class StagedDecoders(Decoders):
    def decode(self, data: bytes, channel: str) -> DecodedImage:
        image = super().decode(data, channel)
        if image.width == CRASH:
            os._exit(139)
        if image.width == HOLD:
            home: Path = load_settings().delineate_home
            (home / "held").touch()
            while not (home / "release").exists():
                time.sleep(0.02)
        return image


if __name__ == "__main__":
    worker.process.Decoders = StagedDecoders
    sys.exit(main())
