"""Write a data set of synthetic scenes.

    python -m training.generate --out data/dots --count 1000
    python -m training.generate --out data/hard --count 1000 --severity 1 --format npz --device cuda

OUT/images and OUT/masks hold a PNG pair of each sample (or OUT/samples one .npz), OUT/parameters.jsonl a line with all
that it is made of, OUT/dataset.json the settings. A run that was stopped goes on where it ended, and a larger --count
adds to what is there. `data.kind: folder` trains on the PNG pairs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from shared.commandline import ExitCode, Parser, ended
from shared.errors import UsageError
from shared.files import replacing
from shared.images.codec import encode_grey, encode_mask
from shared.net.device import resolve_device
from shared.output import replace_unknown_characters
from shared.synth import DEFAULT_DEFINITION, Definition, definition_hash, find_definition
from shared.synth.scene import MAX_SIZE, MIN_SIZE
from training.data.seeds import GENERATED_SEEDS_START, SEEDS_PER_RUN
from training.data.synthesis import SyntheticBatch, synthesise_batch

_SETTINGS_NAME = "dataset.json"
_PARAMETERS_NAME = "parameters.jsonl"
_BATCH = 16


@dataclass(frozen=True)
class Settings:
    """What a data set is made of, apart from its length."""

    definition: Definition
    seed: int
    size: int
    severity: float
    mixed_prob: float
    clean_share: float
    format: str  # png or npz
    device: str  # cpu or cuda, whose pixels differ

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as dataset.json holds them."""
        own = {"definition": self.definition.name, "definition_sha256": definition_hash(self.definition)}
        return {**vars(self), **own}


def generate_set(out: Path, count: int, settings: Settings, device: torch.device, progress: Progress) -> int:
    """Complete the data set to `count` samples; return how many were there.

    Raises:
        UsageError: the folder cannot be written to, or holds something else.
    """
    done = _open_set(out, settings)
    task = progress.add_task("samples", total=max(count, done), completed=done)
    with (out / _PARAMETERS_NAME).open("a", encoding="utf-8") as lines:
        for first in range(done, count, _BATCH):
            indices = range(first, min(first + _BATCH, count))
            start = GENERATED_SEEDS_START + settings.seed * SEEDS_PER_RUN
            batch = synthesise_batch(
                [start + index for index in indices],
                device,
                settings.definition,
                size=settings.size,
                severity=settings.severity,
                mixed_prob=settings.mixed_prob,
                clean_share=settings.clean_share,
            )
            lines.writelines(_write_batch(out, indices, batch, settings.format))
            lines.flush()  # after the files: a sample that has its line is whole
            progress.update(task, completed=indices.stop)
    return done


def _open_set(out: Path, settings: Settings) -> int:
    """Make the folder, or check that it is this data set; return the number of samples in it."""
    description = out / _SETTINGS_NAME
    try:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file: name a folder")
        if not description.exists():
            if out.exists() and any(out.iterdir()):
                raise UsageError(f"{out} is not empty and no data set of this command: name a new folder")
            for name in ("images", "masks") if settings.format == "png" else ("samples",):
                (out / name).mkdir(parents=True)
            _write(description, (json.dumps(settings.to_dict(), indent=2) + "\n").encode())
        found = json.loads(description.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{description} is damaged: name a new folder") from error
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error
    wanted = settings.to_dict()
    if not isinstance(found, dict):
        raise UsageError(f"{description} is damaged: name a new folder")
    differing = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
    if differing:
        shown = ", ".join(f"{key} {found.get(key)} there, {wanted.get(key)} asked for" for key in differing)
        raise UsageError(f"{out} holds another data set ({shown}): name a new folder, or ask for the same")
    return _whole_lines(out / _PARAMETERS_NAME)


def _whole_lines(path: Path) -> int:
    """Count the lines; a last one that was cut off is removed."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
    return text.count(b"\n")


def _write_batch(out: Path, indices: range, batch: SyntheticBatch, file_format: str) -> list[str]:
    """Write the files; return the lines of parameters."""
    images, masks = batch.images.to(torch.uint8).cpu().numpy(), batch.masks.cpu().numpy()
    lines = []
    for index, image, mask, scene, noise in zip(
        indices, images, masks, batch.scenes.parameters(), batch.noise, strict=True
    ):
        name = f"{index:06}"
        if file_format == "png":
            _write(out / "images" / f"{name}.png", encode_grey(image))
            _write(out / "masks" / f"{name}.png", encode_mask(mask))
        else:
            _write(out / "samples" / f"{name}.npz", _npz(image, mask))
        lines.append(json.dumps({"name": name, "scene": scene.to_dict(), "noise": noise.to_dict()}) + "\n")
    return lines


def _npz(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bytes:
    buffer = BytesIO()
    np.savez_compressed(buffer, image=image, mask=mask)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write in one step, so that no file is half written."""
    with replacing(path, durable=False) as aside:  # thousands of files, and each can be made again
        aside.write_bytes(data)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: use a number from 0 to 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    replace_unknown_characters()
    parser = Parser("training.generate", "Write a data set.")
    parser.add_argument("--out", type=Path, required=True, help="folder; a new one, or one of this command")
    parser.add_argument("--count", type=int, required=True, help="samples that it holds in the end")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another data set (default: 0)")
    parser.add_argument("--definition", default=DEFAULT_DEFINITION, help=f"of the task (default: {DEFAULT_DEFINITION})")
    parser.add_argument("--size", type=int, help="px (default: the definition's)")
    parser.add_argument("--severity", type=_share, default=0.5, help="of the noise, 0 to 1 (default: 0.5)")
    parser.add_argument("--mixed-prob", type=_share, help="share of mixed noises (default: the definition's)")
    parser.add_argument("--clean-share", type=_share, default=0.0, help="of the samples without noise (default: 0)")
    parser.add_argument("--format", choices=("png", "npz"), default="png")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args(arguments)
    return ended("training.generate", lambda: _generate(options))


def _generate(options: argparse.Namespace) -> int:
    if options.count < 1 or not 0 <= options.seed < 2**16:
        raise UsageError("use a --count from 1 up and a --seed from 0 to 65535")
    definition = find_definition(options.definition)
    size = definition.canvas_px if options.size is None else options.size
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"--size {size}: use {MIN_SIZE} to {MAX_SIZE}")
    device = resolve_device(options.device)
    settings = Settings(
        definition=definition,
        seed=options.seed,
        size=size,
        severity=options.severity,
        mixed_prob=definition.mixed_prob if options.mixed_prob is None else options.mixed_prob,
        clean_share=options.clean_share,
        format=options.format,
        device=device.type,
    )
    with Progress(disable=not sys.stderr.isatty()) as progress:
        before = generate_set(options.out, options.count, settings, device, progress)
    print(f"{options.out}: {max(options.count, before)} samples, {max(options.count - before, 0)} of them new")
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main())
