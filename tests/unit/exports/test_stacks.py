"""Masks of a stack's pages go home as a stack."""

import json
from pathlib import Path

import numpy as np
import tifffile

from tests.unit.exports.conftest import MakeJob, blobs


def test_masks_of_pages_are_pages_in_their_places(make: MakeJob, tmp_path: Path) -> None:
    masks = {f"d/s.tif#{number:04d}": blobs(seed=number) for number in (3, 1, 2)}
    made = make({**masks, "d/s.tif#0004": None, "single.png": blobs(), "gone.tif#0001": None})
    done = made.export("mask-stacks", tmp_path / "out")
    assert [file.relative_to(tmp_path / "out") for file in (tmp_path / "out").rglob("*.tif")] == [
        Path("mask-stacks/d/s.tif")
    ], done.output
    with tifffile.TiffFile(tmp_path / "out" / "mask-stacks" / "d" / "s.tif") as stack:
        pages = [page.asarray() for page in stack.pages]
        told = [page.description for page in stack.pages]
    for number in (1, 2, 3):
        assert np.array_equal(pages[number - 1], masks[f"d/s.tif#{number:04d}"] * np.uint8(255))
    assert not pages[3].any()
    assert told[2:] == ["d/s.tif#0003", "d/s.tif#0004: the file ends early"]
    assert "note: no image of this job" not in done.output


def test_a_job_without_stacks_is_told_to_have_none(make: MakeJob, tmp_path: Path) -> None:
    done = make({"a.png": blobs()}).export("mask-stacks", tmp_path / "out")
    assert "note: no image of this job has what mask-stacks gives: mask-stacks/: of each stack" in done.output


def test_a_page_whose_mask_is_lost_or_damaged_keeps_its_place(make: MakeJob, tmp_path: Path) -> None:
    made = make({f"s.tif#{number:04d}": blobs() for number in (1, 2, 3)})
    made.services.store.delete([made.key("s.tif#0001", "mask")])
    made.services.store.put(made.key("s.tif#0002", "mask"), b"\x89PNG")
    done = made.export("mask-stacks", tmp_path / "out")
    assert (done.exit_code, "has lost 1 result" in done.stderr) == (1, True)
    assert "s.tif#0002: the stored PNG ends early" in done.stderr
    told = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["missing"]
    assert [(entry["path"], entry["file"], entry["state"]) for entry in told] == [
        ("s.tif#0001", None, "succeeded"),
        ("s.tif#0002", None, "succeeded"),
    ]
    with tifffile.TiffFile(tmp_path / "out" / "mask-stacks" / "s.tif") as stack:
        assert [bool(page.asarray().any()) for page in stack.pages] == [False, False, True]
        assert [page.description.partition(": ")[2][:28] for page in stack.pages] == [
            "the object store has lost it",
            "the stored PNG ends early or",
            "",
        ]
