"""Masks of a submission's images: paired by name, read by rule, and never a wrong one."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from producer.chosen import TruthChoice
from producer.sources import Sources
from producer.truths import Truths
from shared.errors import ItemError, UsageError
from shared.images.codec import decode_mask

MASK = np.zeros((20, 30), bool)
MASK[5:12, 8:20] = True


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "images" / name, np.arange(600).reshape(20, 30) % 256)
    return tmp_path / "images"


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


def find(images: Path, masks: Path, foreground: str | None = None) -> tuple[Truths, dict[str, object]]:
    sources = Sources([images], recursive=True, max_bytes=10**6, exclude=["*_mask.png"])
    truths = Truths.find(TruthChoice(masks, foreground), sources)
    return truths, {source.path: source.truth for source in truths.given_to(sources)}


def test_masks_are_paired_by_name_and_what_has_none_is_told(images: Path) -> None:
    masks = images.parent / "masks"
    save(masks / "a.png", MASK * 1)
    tifffile.imwrite(masks / "B_mask.tif", (MASK * 255).astype(np.uint8))
    save(masks / "of-nobody.png", MASK * 1)
    save(masks / "._a.png", MASK * 1)
    truths, by_path = find(images, masks, "nonzero")
    assert [path for path, truth in by_path.items() if truth is None] == ["c.png"]
    for path in ("a.png", "b.png"):
        np.testing.assert_array_equal(decode_mask(by_path[path]()), MASK)
    told = "\n".join(truths.notes())
    assert "1 image without a truth, not scored: c.png" in told
    assert "1 mask of no image, left out: of-nobody.png" in told


def test_masks_may_lie_beside_their_images(images: Path) -> None:
    save(images / "a_mask.png", MASK * 255)
    _, by_path = find(images, images)
    np.testing.assert_array_equal(decode_mask(by_path["a.png"]()), MASK)
    assert by_path["b.png"] is by_path["c.png"] is None


def test_of_two_values_the_higher_one_counts_and_of_more_what_is_told(images: Path) -> None:
    masks = images.parent / "masks"
    save(masks / "a.png", np.where(MASK, 7, 3))
    _, by_path = find(images, masks)
    np.testing.assert_array_equal(decode_mask(by_path["a.png"]()), MASK)
    save(masks / "b.png", MASK * 5)
    with pytest.raises(UsageError, match=r"4 values \(0, 3, 5, 7\).*set --foreground to"):
        find(images, masks)
    _, by_path = find(images, masks, "5,7")
    np.testing.assert_array_equal(decode_mask(by_path["b.png"]()), MASK)
    with pytest.raises(UsageError, match="'seven': give nonzero"):
        find(images, masks, "seven")


def test_a_mask_that_cannot_be_used_fails_its_image_alone(images: Path) -> None:
    masks = images.parent / "masks"
    save(masks / "a.png", MASK * 255)
    (masks / "b.png").write_bytes(b"no image")
    turned = Image.Exif()
    turned[0x0112] = 6
    save(masks / "c.png", MASK * 255, exif=turned)
    _, by_path = find(images, masks)
    np.testing.assert_array_equal(decode_mask(by_path["a.png"]()), MASK)
    for path, reason in (("b.png", "cannot be used"), ("c.png", "shown turned")):
        with pytest.raises(ItemError, match=reason) as caught:
            by_path[path]()
        assert caught.value.code == "bad_truth"


def test_two_masks_of_one_name_score_nothing(images: Path) -> None:
    masks = images.parent / "masks"
    for name in ("a.png", "a.bmp", "b.png"):
        save(masks / name, MASK * 255)
    truths, by_path = find(images, masks)
    assert by_path["a.png"] is None
    assert by_path["b.png"] is not None
    assert "are of one name" in "\n".join(truths.notes())


def test_a_folder_without_masks_of_these_images_is_refused(images: Path) -> None:
    masks = images.parent / "masks"
    masks.mkdir()
    with pytest.raises(UsageError, match="has no masks"):
        find(images, masks)
    save(masks / "other.png", MASK * 255)
    with pytest.raises(UsageError, match="has the name of an image"):
        find(images, masks)
    (masks / "a.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match="can be used: "):
        find(images, masks)
