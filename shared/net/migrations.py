"""Old checkpoints, brought step by step to the present format.

| version | what is different from the one before it |
|---|---|
| 0 | the Attention U-Net's gates are a list of their own, `attention_gates.N.*`, N counting from the deepest level; model.json holds neither `parameters` nor `versions` |
| 1 | a gate belongs to its decoder level: `decoder.N.gate.*` |
| 2 | the stem is called so: `stem.*`, not `pixels.*` |
| 3 | model.json may name the fitted scores beside the weights, `familiarity` |
| 4 | model.json says in what tiles images go through the network, `smallest_tile`, and whether small ones are enlarged for it, `enlarges` |

A change of a layer's name, or of a key of model.json, is a new version with a step here.
"""  # noqa: E501 - a table

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from shared.errors import CheckpointError

FORMAT_VERSION = 4

Description = dict[str, Any]
T = TypeVar("T")  # a tensor, or the shape of one
Tensors = dict[str, T]


def migrate_description(description: Mapping[str, Any]) -> Description:
    """Return model.json in the present format.

    Raises:
        CheckpointError: this code does not know its version.
    """
    data = dict(description)
    for version in range(_known(data.get("format_version")), FORMAT_VERSION):
        data = _DESCRIPTION_STEPS[version](data)
        data["format_version"] = version + 1
    return data


def migrate_tensors(tensors: Mapping[str, T], description: Mapping[str, Any]) -> Tensors[T]:
    """Return weights, or their shapes, under their present names; `description` is model.json as it was written.

    Raises:
        CheckpointError: the version is unknown, or the weights do not follow the version they are said to have.
    """
    found = dict(tensors)
    for version in range(_known(description.get("format_version")), FORMAT_VERSION):
        found = _TENSOR_STEPS[version](found, description)
    return found


def _known(version: Any) -> int:
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= FORMAT_VERSION:
        raise CheckpointError(
            f"format version {version} is unknown, this version of Delineate reads 0 to {FORMAT_VERSION}: "
            "use matching weights, or update"
        )
    return version


def _description_0_to_1(data: Description) -> Description:
    return {"parameters": 0, "versions": {}, **data}


def _tensors_0_to_1(tensors: Tensors[T], description: Mapping[str, Any]) -> Tensors[T]:
    if description.get("architecture") != "attention_unet":
        return tensors
    if not any(name.startswith(_OLD_GATES) for name in tensors):
        raise CheckpointError("weights of format version 0 have attention_gates, these do not: copy both files again")
    return {_with_gate_in_its_level(name): tensor for name, tensor in tensors.items()}


def _with_gate_in_its_level(name: str) -> str:
    if not name.startswith(_OLD_GATES):
        return name
    level, rest = name.removeprefix(_OLD_GATES).split(".", 1)
    return f"decoder.{level}.gate.{rest}"


def _description_1_to_2(data: Description) -> Description:
    return data


def _description_2_to_3(data: Description) -> Description:
    return {"familiarity": {}, **data}


def _description_3_to_4(data: Description) -> Description:
    return {"smallest_tile": 512, "enlarges": True, **data}


def _tensors_1_to_2(tensors: Tensors[T], _description: Mapping[str, Any]) -> Tensors[T]:
    return {re.sub(r"^pixels\.", "stem.", name): tensor for name, tensor in tensors.items()}


def _tensors_2_to_3(tensors: Tensors[T], _description: Mapping[str, Any]) -> Tensors[T]:
    return dict(tensors)


def _tensors_3_to_4(tensors: Tensors[T], _description: Mapping[str, Any]) -> Tensors[T]:
    return dict(tensors)


_OLD_GATES = "attention_gates."
_DESCRIPTION_STEPS: dict[int, Callable[[Description], Description]] = {
    0: _description_0_to_1,
    1: _description_1_to_2,
    2: _description_2_to_3,
    3: _description_3_to_4,
}
_TENSOR_STEPS: dict[int, Callable[[Tensors[Any], Mapping[str, Any]], Tensors[Any]]] = {
    0: _tensors_0_to_1,
    1: _tensors_1_to_2,
    2: _tensors_2_to_3,
    3: _tensors_3_to_4,
}
