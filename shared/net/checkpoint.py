"""Checkpoints: a folder with model.safetensors (the weights) and model.json (all that explains them).

Where they were fitted, familiarity.safetensors has the scores of `shared.net.familiarity`.

Nothing is ever unpickled. model.json names the architecture and its arguments, the preprocessing, the threshold,
the training config and command, the data definition, versions, metrics, and the SHA-256 of model.safetensors.
"""

import json
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shared.errors import CheckpointError
from shared.files import replacing
from shared.net.architectures import build, shapes_of
from shared.net.familiarity import FittedScores
from shared.net.metadata import Metadata, checked_metadata, read_description
from shared.net.migrations import migrate_tensors
from shared.net.network import Network
from shared.net.strict_json import parse
from shared.net.weights_file import Shape, check_weights_file, differing, file_sha256

WEIGHTS_NAME = "model.safetensors"
METADATA_NAME = "model.json"
FAMILIARITY_NAME = "familiarity.safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network ready for inference (eval mode, on its device), and where it comes from."""

    net: Network
    metadata: Metadata
    sha256: str
    threshold: float
    scores: FittedScores | None = None  # None: nobody fitted them for these weights


def save_checkpoint(folder: Path, net: nn.Module, metadata: Metadata, *, half: bool = False) -> Metadata:
    """Write the checkpoint folder; each file is replaced in one step, so none is ever half written.

    A reader that comes between the two files finds that their hashes differ, and refuses them.
    `half` stores the convolutions' weights as float16; normalisation statistics stay float32, whose range they
    need. Return the metadata as written, with the hash, the number of parameters and the versions filled in.

    Raises:
        CheckpointError: a weight is no finite number, or has no room in float16; nothing is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(tensor, half) for name, tensor in net.state_dict().items()}
    _check_finite(folder / WEIGHTS_NAME, tensors)
    with replacing(folder / WEIGHTS_NAME) as weights:
        save_file(tensors, weights)
        written = replace(
            metadata,
            weights_sha256=file_sha256(weights),
            parameters=sum(parameter.numel() for parameter in net.parameters()),
            versions=library_versions(),
            familiarity={},  # was fitted for other weights
        )
    write_metadata(folder, written)
    return written


def write_metadata(folder: Path, metadata: Metadata) -> None:
    """Replace model.json in one step."""
    _write_description(folder, asdict(metadata))


def _write_description(folder: Path, description: Mapping[str, Any]) -> None:
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    with replacing(folder / METADATA_NAME) as file:
        file.write_text(text, encoding="utf-8")


def load_checkpoint(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> LoadedModel:
    """Load a checkpoint folder, or a .safetensors file that has its model.json beside it.

    One of an older format is brought to the present one.

    Raises:
        CheckpointError: it is not a whole, unchanged checkpoint of a known format and architecture; one line with the
            reason and the remedy.
    """
    weights = locate_weights(Path(path))
    found = check_weights_file(weights)
    description = read_description(weights.parent / METADATA_NAME)
    metadata = checked_metadata(weights.parent / METADATA_NAME, description)
    sha256 = file_sha256(weights)
    if sha256 != metadata.weights_sha256:
        raise CheckpointError(
            f"{weights} is not the file that its {METADATA_NAME} describes (sha256 {sha256[:12]}…, "
            f"not {metadata.weights_sha256[:12]}…): copy both files again"
        )
    # By the headers alone: nothing is allocated for a network that the file does not hold.
    _check_shapes(weights, shapes_of(metadata.architecture, metadata.arguments), found, description)
    try:
        tensors = migrate_tensors(load_file(weights), description)
        _check_finite(weights, tensors)
        net = build(metadata.architecture, metadata.arguments)
        net.load_state_dict(tensors)
    except CheckpointError:
        raise
    except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{weights} cannot be loaded ({reason}): copy the whole checkpoint folder") from error
    net.eval().requires_grad_(False)
    return LoadedModel(net.to(device), metadata, sha256, metadata.threshold, _scores(weights.parent, metadata))


def save_scores(folder: Path, scores: FittedScores, description: Mapping[str, Any]) -> None:
    """Put fitted scores beside the weights of a checkpoint folder, in place of older ones.

    Args:
        folder: with the weights that they were fitted for.
        scores: what was fitted.
        description: of the scenes; model.json has it together with the file's hash.
    """
    with replacing(folder / FAMILIARITY_NAME) as file:
        save_arrays(scores.to_arrays(), file)
        entry = {**description, "sha256": file_sha256(file)}
    _describe_scores(folder, entry)


def remove_scores(folder: Path) -> None:
    """Take the fitted scores of a checkpoint folder away, where it has some: they are not those of its weights."""
    _describe_scores(folder, {})
    (folder / FAMILIARITY_NAME).unlink(missing_ok=True)


def _describe_scores(folder: Path, entry: Mapping[str, Any]) -> None:
    # All else as it was written: the weights' names are those of the format that it says.
    description = read_description(folder / METADATA_NAME) | {"familiarity": dict(entry)}
    _write_description(folder, description)


def names_scores(description: bytes) -> bool:
    """Whether a model.json, as bytes, says that fitted scores belong to its weights."""
    try:
        return bool(parse(description).get("familiarity"))
    except (ValueError, AttributeError):
        return False  # which loading it will tell


def _scores(folder: Path, metadata: Metadata) -> FittedScores | None:
    if not metadata.familiarity:
        return None
    path = folder / FAMILIARITY_NAME
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, which {METADATA_NAME} names: copy the whole checkpoint folder")
    check_weights_file(path)
    sha256 = file_sha256(path)
    if sha256 != metadata.familiarity.get("sha256"):
        raise CheckpointError(
            f"{path} is not the file that {METADATA_NAME} describes: fit it again, or copy the folder"
        )
    try:
        arrays = load_arrays(path)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise CheckpointError(f"{path} holds NaN or infinity: fit it again with python -m training.familiarity")
        if FittedScores.are_of_an_older_version(arrays):
            log.warning("%s is of an older version, and unused: python -m training.familiarity fits it again", path)
            return None
        return FittedScores.from_arrays(arrays)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}: fit it again with python -m training.familiarity") from error
    except (SafetensorError, RuntimeError, TypeError, ValueError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} cannot be used ({reason}): fit it again with python -m training.familiarity"
        ) from error


def locate_weights(path: Path) -> Path:
    """Return the .safetensors file that `path` names: itself, or the one in that folder.

    Raises:
        CheckpointError: there is none.
    """
    weights = path / WEIGHTS_NAME if path.is_dir() else path
    if not weights.is_file():
        raise CheckpointError(f"there are no weights at {weights}: give a checkpoint folder or a .safetensors file")
    return weights


def read_metadata(path: Path) -> Metadata:
    """Read model.json, of any version that there was.

    Raises:
        CheckpointError: it is missing, damaged, or of another format or preprocessing.
    """
    return checked_metadata(path, read_description(path))


def library_versions() -> dict[str, str]:
    """Return the versions of the code and of the libraries that a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("delineate", "numpy", "safetensors", "torch"):
        try:
            found[name] = packages.version(name)
        except packages.PackageNotFoundError:  # run from a checkout that was not installed
            found[name] = "not installed"
    return found


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    if half and tensor.is_floating_point() and tensor.ndim > 1:
        tensor = tensor.half()
    return tensor.contiguous()


def tensors_not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold a NaN or an infinity."""
    return [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]


def _check_finite(weights: Path, tensors: Mapping[str, Tensor]) -> None:
    names = tensors_not_finite(tensors)
    if names:
        raise CheckpointError(
            f"{weights} would answer no numbers: {len(names)} of {len(tensors)} tensors hold NaN or infinity "
            f"({names[0]}…); use an earlier checkpoint, or train anew with a lower optimiser.lr"
        )


def _check_shapes(
    weights: Path, expected: Mapping[str, Shape], found: Mapping[str, Shape], description: Mapping[str, Any]
) -> None:
    try:
        wrong = differing(expected, migrate_tensors(found, description))
    except CheckpointError as error:
        raise CheckpointError(f"{weights}: {error}") from error
    if wrong:
        raise CheckpointError(
            f"{weights} does not fit its architecture: {len(wrong)} tensors are missing, unknown or of another "
            f"shape ({', '.join(wrong[:3])}…): use the files of one training run"
        )
