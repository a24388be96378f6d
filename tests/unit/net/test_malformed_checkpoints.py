"""Whatever stands in a checkpoint's folder, loading it ends in a network or in one `CheckpointError` of one line."""

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import CheckpointError
from shared.net.checkpoint import load_checkpoint, save_scores
from shared.net.weights_file import file_sha256
from tests.unit.net.fitted import SCORES

Entries = dict[str, Any]


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def describe(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def own_hash(folder: Path) -> None:
    """A liar writes the hash of his own file."""
    describe(folder, weights_sha256=file_sha256(folder / "model.safetensors"))


def parts(path: Path) -> tuple[Entries, bytes]:
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def write(path: Path, header: bytes, data: bytes) -> None:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def first(entries: Entries) -> Entries:
    return next(entry for name, entry in entries.items() if name != "__metadata__")


HEADERS: dict[str, Callable[[Entries], object]] = {
    "negative offset": lambda entries: first(entries).update(data_offsets=[-4, 4]),
    "reversed offsets": lambda entries: first(entries)["data_offsets"].reverse(),
    "overlapping": lambda entries: first(entries).update(data_offsets=[0, 2**20]),
    "huge shape": lambda entries: first(entries).update(shape=[2**60, 2**60]),
    "negative shape": lambda entries: first(entries).update(shape=[-1, -1]),
    "shape of fractions": lambda entries: first(entries).update(shape=[1.5]),
    "shape of truths": lambda entries: first(entries).update(shape=[True]),
    "no shape": lambda entries: first(entries).pop("shape"),
    "many dimensions": lambda entries: first(entries).update(shape=[1] * 100),
    "unknown dtype": lambda entries: first(entries).update(dtype="Q7"),
    "dtype of another type": lambda entries: first(entries).update(dtype=["F32"]),
    "entry of another type": lambda entries: entries.update(x=5),
    "many tensors": lambda entries: entries.update(
        {f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(5000)}
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(checkpoint: Path, name: str) -> None:
    path = checkpoint / "model.safetensors"
    entries, data = parts(path)
    HEADERS[name](entries)
    write(path, json.dumps(entries).encode(), data)
    own_hash(checkpoint)
    assert "not a safetensors file" in refusal(checkpoint)


@pytest.mark.parametrize(
    "header", [b"[" * 200_000, b'{"a":' * 200_000, b'{"a":1,"a":2}', b"{" + b'"k":1,' * 10**6 + b'"z":1}', b"\xff{}"]
)
def test_headers_that_are_none(checkpoint: Path, header: bytes) -> None:
    write(checkpoint / "model.safetensors", header, b"")
    own_hash(checkpoint)
    assert "not a safetensors file" in refusal(checkpoint)


def test_bytes_behind_the_tensors(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"#!/bin/sh")
    own_hash(checkpoint)
    assert "9 bytes behind its tensors" in refusal(checkpoint)


@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"format_version": 3, "format_version": 3}', b" " * (5 * 2**20), b"\xff", b"3", b"{}"]
)
def test_descriptions_that_are_none(checkpoint: Path, text: bytes) -> None:
    (checkpoint / "model.json").write_bytes(text)
    refusal(checkpoint)


WRONG: list[Any] = [None, True, -1, 10**18, 1.5, float("nan"), float("inf"), "", "x", [], [[]], {}, {"a": {}}]


@pytest.mark.parametrize(
    "key",
    ["architecture", "arguments", "threshold", "preprocessing", "weights_sha256", "familiarity", "format_version",
     "data_definition", "training", "metrics", "versions", "smallest_tile", "enlarges"],
)  # fmt: skip
def test_values_of_other_types(checkpoint: Path, key: str) -> None:
    original = (checkpoint / "model.json").read_text()
    may_be_any_object = ("data_definition", "training", "metrics", "versions", "familiarity")
    for value in WRONG:
        (checkpoint / "model.json").write_text(original)
        describe(checkpoint, **{key: value})
        is_flag = key == "enlarges" and value is True
        if is_flag or (isinstance(value, dict) and key in may_be_any_object and (key != "familiarity" or not value)):
            load_checkpoint(checkpoint)
        else:
            refusal(checkpoint)


@pytest.mark.parametrize(
    "arguments",
    [{"base": -1}, {"base": 0}, {"base": 10**18}, {"base": 2.0}, {"levels": 10**6}, {"levels": 100}, {"levels": 1},
     {"levels": 0}, {"base": 9000, "widest": 9000}, {"widest": 0}, {"stem": 3}, {"likelihood": 10**6}, {"dropout": 7},
     {"dropout": float("nan")}, {"in_channels": 0}, {"attention_from": -1}, {"base": [2]}, {"no_such": 1}, {"": {}},
     {"base": 1}, {"base": 1024, "levels": 8}],
)  # fmt: skip
@pytest.mark.parametrize("architecture", ["attention_unet", "unet"])
def test_arguments_that_no_network_has(checkpoint: Path, arguments: dict[str, Any], architecture: str) -> None:
    describe(checkpoint, architecture=architecture, arguments=arguments)
    tracemalloc.start()
    try:
        refusal(checkpoint)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("threshold", [1e-300, 0.0, 1.0, 0.9999, -0.5, 2.0])
def test_thresholds_that_decide_nothing(checkpoint: Path, threshold: float) -> None:
    describe(checkpoint, threshold=threshold)
    assert "threshold" in refusal(checkpoint)


def outcome(folder: Path) -> str:
    """Load it; anything but a `CheckpointError` leaves."""
    try:
        load_checkpoint(folder)
    except CheckpointError as error:
        return str(error)
    return ""


def damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(len(changed), 6000))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 40)]
            case 2:
                changed[at:at] = bytes(chance.choice(b'{}[]",:-0129eE.') for _ in range(chance.randint(1, 12)))
            case 3:
                changed = changed[: max(at, 1)]
    return bytes(changed)


def folders(checkpoint: Path, name: str, count: int) -> Iterator[int]:
    original = {path: path.read_bytes() for path in checkpoint.iterdir()}
    for seed in range(count):
        for path, data in original.items():
            path.write_bytes(data)
        (checkpoint / name).write_bytes(damaged(original[checkpoint / name], random.Random(f"{name} {seed}")))
        yield seed


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "familiarity.safetensors"])
def test_files_that_were_damaged_at_random(checkpoint: Path, name: str) -> None:
    save_scores(checkpoint, SCORES, {})
    for seed in folders(checkpoint, name, 60):
        if name == "model.safetensors":
            own_hash(checkpoint)
        elif name == "familiarity.safetensors":
            describe(checkpoint, familiarity={"sha256": file_sha256(checkpoint / name)})
        assert "\n" not in outcome(checkpoint), seed


def test_scores_whose_arrays_do_not_fit_one_another(checkpoint: Path) -> None:
    save_scores(checkpoint, SCORES, {})
    path = checkpoint / "familiarity.safetensors"
    whole, data = parts(path)
    for name in sorted(set(whole) - {"__metadata__"}):
        entries = json.loads(json.dumps(whole))
        entries[name]["shape"] = [1, *entries[name]["shape"]]
        write(path, json.dumps(entries).encode(), data)
        describe(checkpoint, familiarity={"sha256": file_sha256(path)})
        assert "fit it again" in refusal(checkpoint), name
