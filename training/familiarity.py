"""Fit what tells the quality and the familiarity of a model's results, and put it beside the weights.

    python -m training.familiarity --checkpoint runs/compact                  # 5,000 scenes, some minutes on a CPU
    python -m training.familiarity --checkpoint runs/compact --scenes 2000

The scenes are held-out ones of the data that the model was trained on, as model.json names it: its definitions, or the
folder of a user's own images. Training does this at its end; do it again after the weights or the preparation of images
have changed. A model for which it was not done says "not available" instead of numbers.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from shared.commandline import ExitCode, Parser, ended
from shared.net.checkpoint import METADATA_NAME, locate_weights, read_metadata
from shared.output import replace_unknown_characters
from training.recipe.provenance import trained_config
from training.recipe.scores import MIN_SCENES, fit_checkpoint

SCENES = 5000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, see `shared.commandline.ExitCode`."""
    replace_unknown_characters()
    parser = Parser("training.familiarity", "Fit quality and familiarity of a model's results.")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--scenes", type=int, default=SCENES, help=f"{MIN_SCENES} at least (default: {SCENES})")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args(arguments)
    return ended("training.familiarity", lambda: _fit(options.checkpoint, options.scenes, options.device))


def _fit(checkpoint: Path, scenes: int, device: str) -> int:
    folder = locate_weights(checkpoint).parent
    config = trained_config(folder, read_metadata(folder / METADATA_NAME))
    print(fit_checkpoint(folder, config.data, seed=config.seed, scenes=scenes, device=device))
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main())
