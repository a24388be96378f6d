"""The beginning of a run: its config, and a look at the folder that it trains on."""

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.progress import Progress

from shared.errors import UsageError
from training.config import TrainingConfig, apply_override, check_config, put, read_config
from training.data.config import DataConfig
from training.data.pairs.sheet import draw_sheet
from training.data.pairs.summary import lines
from training.data.pairs.survey import Survey, survey
from training.recipe.distributed import DistributedContext
from training.recipe.fingerprint import choose

_SHEET_NAME = "pairs.png"


def begun(
    path: Path, overrides: Sequence[str], data: Path | None, context: DistributedContext
) -> tuple[TrainingConfig, Survey | None]:
    """Read a config; of a folder of pairs look at all of them, and choose what a fingerprint leaves open.

    Args:
        path: of the YAML file.
        overrides: `dotted.key=value`.
        data: the folder of the pairs, where it is not the config's.
        context: the first of its processes tells what was found and chosen.

    Raises:
        UsageError: the config or the folder cannot be used.
    """
    name = f"the config {path}"
    settings = read_config(path)
    if data is not None:
        overrides = ("data.kind=folder", f"data.folder={data}", *overrides)
    for each in overrides:
        apply_override(settings, each)
    has_fingerprint = settings.pop("fingerprint", False) is True
    if has_fingerprint and "folder" not in settings.get("data", {}):
        raise UsageError(f"{name} trains on images of your own: name their folder by --data FOLDER")
    _leave_padding_out(settings)
    # What is given is checked before anything is looked at or chosen.
    config = check_config(completed(settings) if has_fingerprint else settings, (), name)
    if config.data.kind != "folder":
        return config, None
    found = look_at(config.data, quiet=not context.is_first)
    if context.is_first and not found.faults:
        print(*lines(found), sep="\n")
    found.check()
    if not has_fingerprint:
        return config, found
    choices = choose(_flat(settings), found, has_gpu=context.device.type == "cuda")
    for choice in choices:
        put(settings, choice.key, choice.value)
    if context.is_first:
        print("chosen from these (--set KEY=VALUE for another):", *(f"  {choice}" for choice in choices), sep="\n")
    return check_config(settings, (), name), found


def _leave_padding_out(settings: dict[str, Any]) -> None:
    """Have attention leave out what is around the images of a folder, unless something else is asked for."""
    model, data = settings.get("model", {}), settings.get("data", {})
    if model.get("architecture") == "attention_unet" and data.get("kind") == "folder":
        model["arguments"] = {"knows_padding": True, **model.get("arguments", {})}


def look_at(config: DataConfig, *, quiet: bool = False) -> Survey:
    """Look at every pair of a folder, with a bar on a terminal unless `quiet`.

    Raises:
        UsageError: the folder cannot be read, or has no images.
    """
    with Progress(transient=True, disable=quiet or not sys.stdout.isatty()) as bar:
        task = bar.add_task(f"looking at {config.folder}", total=None)
        return survey(config, lambda done, of: bar.update(task, completed=done, total=of))


def draw_pairs(found: Survey, out: Path) -> None:
    """Draw some of the pairs into a run's folder, to be looked at while it trains."""
    draw_sheet(found).save(out / _SHEET_NAME)
    print(f"outlines to look at: {out / _SHEET_NAME}")


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Make a run's folder and keep other runs out of it meanwhile.

    Raises:
        UsageError: another process trains there, or it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}): give another --out") from error
    try:
        with suppress(OSError):  # a file system without locks
            _lock(folder, out)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, out: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another process trains in {out}: wait for it, or give another --out") from error


def completed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with anything in the place of what a config cannot do without and a fingerprint chooses."""
    budget = settings.get("budget", {})
    in_images = {} if {"epochs", "max_images"} & budget.keys() else {"max_images": 1}
    model = {"architecture": "unet", **settings.get("model", {})}
    return {"name": "own", **settings, "model": model, "budget": {**in_images, **budget}}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found
