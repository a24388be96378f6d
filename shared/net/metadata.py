"""What model.json says of a checkpoint, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shared.errors import CheckpointError
from shared.images.preparation import PREPARATION_VERSION
from shared.images.threshold import is_threshold
from shared.net.intake import Intake
from shared.net.migrations import FORMAT_VERSION, migrate_description
from shared.net.strict_json import parse
from shared.net.tiling import TILE_SIDES, TILE_SIZE

_MAX_DESCRIPTION_BYTES = 4 * 2**20

# Earlier preparations: what the present one finds nothing to mend in, it standardises as they did.
_ALIKE = ("standardise-v1",)


@dataclass(frozen=True)
class Metadata:
    """The description of a checkpoint: all of model.json."""

    architecture: str  # a name of `shared.net.architectures.ARCHITECTURES`
    arguments: dict[str, Any]  # the architecture's keyword arguments
    threshold: float = 0.5  # foreground is probability >= threshold
    preprocessing: str = PREPARATION_VERSION
    data_definition: dict[str, Any] = field(default_factory=dict)  # name, hash, and the values that are hashed
    training: dict[str, Any] = field(default_factory=dict)  # config, command, images, minutes
    metrics: dict[str, Any] = field(default_factory=dict)  # by set
    versions: dict[str, str] = field(default_factory=dict)  # of the code and its libraries
    parameters: int = 0
    weights_sha256: str = ""
    # How `shared.net.familiarity` was fitted: `sha256` of its file, scenes, and what they are of; empty: it was not.
    familiarity: dict[str, Any] = field(default_factory=dict)
    smallest_tile: int = TILE_SIZE  # px; side of the smallest tile that images go through it in
    enlarges: bool = True  # whether small images are enlarged for it
    format_version: int = FORMAT_VERSION

    @property
    def intake(self) -> Intake:
        """What the network takes."""
        channels, knows = self.arguments.get("in_channels", 1), self.arguments.get("knows_padding", False)
        return Intake(channels, self.smallest_tile, enlarges=self.enlarges, knows_padding=knows is True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Invert `asdict`.

        Raises:
            TypeError: a key is missing or unknown.
        """
        return cls(**data)


def read_description(path: Path) -> dict[str, Any]:
    """Read model.json as it was written.

    Raises:
        CheckpointError: it is missing, or none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_DESCRIPTION_BYTES + 1)
        if len(text) > _MAX_DESCRIPTION_BYTES:
            raise CheckpointError(f"{path} has more than {_MAX_DESCRIPTION_BYTES:,} bytes: copy the folder again")
        data = parse(text)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: copy the whole checkpoint folder") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a checkpoint's description: copy the folder again") from error
    if not isinstance(data, dict) or "format_version" not in data:
        raise CheckpointError(f"{path} is not a checkpoint's description: copy the folder again")
    return data


def checked_metadata(path: Path, description: Mapping[str, Any]) -> Metadata:
    """Return what a model.json says, of any version that there was.

    Raises:
        CheckpointError: of another format or preprocessing, or something that it cannot say.
    """
    try:
        metadata = Metadata.from_dict(migrate_description(description))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except TypeError as error:
        version = description["format_version"]
        raise CheckpointError(f"{path} does not follow format version {version}: {error}") from error
    _check_types(path, metadata)
    smallest, most = metadata.smallest_tile, TILE_SIDES[-1]
    if isinstance(smallest, bool) or not isinstance(smallest, int) or smallest % 16 or not 64 <= smallest <= most:
        raise CheckpointError(
            f"{path}: the smallest tile is {smallest!r:.40}, it has to be 64 to {most}, by steps of 16"
        )
    channels = metadata.arguments.get("in_channels", 1)
    if isinstance(channels, bool) or not isinstance(channels, int):
        raise CheckpointError(f"{path}: in_channels is {channels!r:.40}, it has to be a whole number")
    if not isinstance(metadata.enlarges, bool):
        raise CheckpointError(f"{path}: enlarges is not true or false: copy the whole checkpoint folder")
    # Probabilities come in 255ths: beyond these all of a picture would be foreground, or none of it ever.
    if not isinstance(metadata.threshold, float) or not is_threshold(metadata.threshold):
        raise CheckpointError(f"{path}: the threshold is {metadata.threshold!r:.40}, it has to be between 0 and 1")
    if metadata.preprocessing not in (PREPARATION_VERSION, *_ALIKE):
        raise CheckpointError(
            f"{path} was trained on {metadata.preprocessing} images, this version prepares "
            f"{PREPARATION_VERSION}: use matching weights"
        )
    return metadata


def _check_types(path: Path, metadata: Metadata) -> None:
    texts = ("architecture", "preprocessing", "weights_sha256")
    objects = ("arguments", "data_definition", "training", "metrics", "versions", "familiarity")
    for names, kind, words in ((texts, str, "text"), (objects, dict, "an object")):
        for name in names:
            if not isinstance(getattr(metadata, name), kind):
                raise CheckpointError(f"{path}: {name} is not {words}: copy the whole checkpoint folder")
