"""What the pixels of a mask mean: by rule, and refused where it is not clear."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from shared.errors import UsageError
from shared.images.pairs.masks import read_mask
from tests.unit.training.pairs_made import SHAPE, binary, blobs, coloured, folder_of, palette, picture, save, surveyed


def soft(labels):
    small = Image.fromarray(binary(labels)).resize((64, 48), Image.Resampling.BICUBIC)
    return small.resize(SHAPE[::-1], Image.Resampling.BICUBIC)


def void_border(labels):
    inside = labels > 0
    return palette(
        np.where(ndimage.binary_dilation(inside, iterations=2) & ~inside, 2, inside).astype(np.uint8),
        [(0, 0, 0), (128, 0, 0), (224, 224, 192)],
    )


def rgba(labels):
    return np.dstack([np.zeros((*SHAPE, 3), np.uint8), binary(labels)])


def instance_colours(labels):
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 200, 0], [0, 0, 255], [90, 90, 0], [0, 90, 200]], dtype=np.uint8)
    return table[labels]


def wrong_pixels(found, folder):
    """The pixels of each mask that are not read as what is meant."""
    wrong = []
    for each in found.facts:
        raw = read_mask(each.pair.masks)
        wrong.append(int((found.rules[raw.kind].apply(raw) != (blobs(int(each.pair.name)) > 0)).sum()))
    return wrong


ENCODINGS = {
    "0 and 1": (lambda labels: binary(labels, 1), "png"),
    "0 and 255": (binary, "png"),
    "1 bit": (lambda labels: Image.fromarray(binary(labels)).convert("1"), "png"),
    "floats": (lambda labels: (labels > 0).astype(np.float32), "tif"),
    "an array of booleans": (lambda labels: labels > 0, "npy"),
    "a palette of one class": (lambda labels: palette(binary(labels, 1), [(0, 0, 0), (128, 0, 0)]), "png"),
    "a palette of greys": (lambda labels: palette(1 - binary(labels, 1), [(255, 255, 255), (0, 0, 0)]), "png"),
    "red on black": (lambda labels: coloured(labels, (0, 0, 0), (255, 0, 0)), "png"),
    "opaque": (
        lambda labels: np.dstack([np.repeat(binary(labels)[..., None], 3, 2), np.full(SHAPE, 255, "u1")]),
        "png",
    ),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_masks_of_two_values_are_read_as_they_are_meant(tmp_path, name):
    encode, extension = ENCODINGS[name]
    found = surveyed(folder_of(tmp_path, encode, extension))
    assert not found.faults
    assert wrong_pixels(found, tmp_path) == [0] * 4


@pytest.mark.parametrize(
    ("encode", "extension"),
    [
        (soft, "png"),
        (binary, "jpg"),
        (soft, "jpg"),
        (lambda labels: coloured(labels, (0, 0, 0), (255, 0, 0)), "jpg"),
        (lambda labels: np.asarray(soft(labels)).astype(np.float32) / 255, "tif"),
    ],
)
def test_soft_edges_are_legal(tmp_path, encode, extension):
    found = surveyed(folder_of(tmp_path, encode, extension))
    assert not found.faults
    assert max(wrong_pixels(found, tmp_path)) < 0.02 * SHAPE[0] * SHAPE[1]


def test_what_jpeg_leaves_beside_edges_is_no_foreground_where_all_but_nothing_is(tmp_path):
    """A folder of both kinds: objects with numbers, and masks in JPEG, where beside edges hardly a pixel is 0."""
    folder = folder_of(tmp_path, lambda labels: labels.astype(np.uint16), "tif", count=2)
    for number in (2, 3):
        save(folder / "images" / f"{number}.png", picture(blobs(number) > 0, number))
        save(folder / "masks" / f"{number}.jpg", binary(blobs(number)))
    found = surveyed(folder, foreground="nonzero").check()
    assert found.rules["lossy"].reason == "over 127.5, less is of JPEG's making"
    assert wrong_pixels(found, folder)[:2] == [0, 0]
    assert max(wrong_pixels(found, folder)) < 0.005 * SHAPE[0] * SHAPE[1]


def test_objects_in_jpeg_files_of_their_own_are_cut_at_the_middle(tmp_path):
    for number in range(1, 6):
        save(tmp_path / "0" / "images" / "a.png", picture(blobs(0) > 0))
        save(tmp_path / "0" / "masks" / f"{number}.jpg", binary((blobs(0) == number).astype(np.uint8)))
    mask = read_mask(sorted((tmp_path / "0" / "masks").iterdir()))
    assert ((mask.samples > 0) != (blobs(0) > 0)).sum() < 0.005 * SHAPE[0] * SHAPE[1]


def test_masks_of_nothing_are_told_so(tmp_path):
    folder = folder_of(tmp_path, lambda labels: palette(np.minimum(labels, 1), [(0, 0, 0), (128, 0, 0)]))
    save(folder / "masks" / "0.png", palette(np.zeros_like(blobs(0)), [(0, 0, 0), (128, 0, 0)]))
    assert surveyed(folder).check().rules["value"].reason == "nothing, there is but 0"


REFUSED = {
    "numbered objects": (lambda labels: labels, "tif", "6 values (0, 1, 2, 3, 4, 5)", "nonzero"),
    "one object in most": (lambda labels: labels * (labels > 4), "png", "", "nonzero"),
    "numbers of 16 bits": (lambda labels: labels.astype(np.uint16) * 300, "tif", "6 values (0, 300", "nonzero"),
    "a void border": (void_border, "png", "3 colours of a palette (0 (#000000), 1 (#800000), 2 (#e0e0c0))", (1,)),
    "colours of objects": (instance_colours, "png", "6 colours (#000000", "nonzero"),
    "blue on white": (
        lambda labels: coloured(labels, (255, 255, 255), (0, 0, 255)),
        "png",
        "2 colours (#0000ff, #ffffff)",
        ("#0000ff",),
    ),
    "alpha": (rgba, "png", "transparent in places", "alpha"),
    "unsure": (
        lambda labels: np.where(ndimage.binary_dilation(labels > 0) & (labels == 0), 128, binary(labels)).astype("u1"),
        "png",
        "3 values (0, 128, 255)",
        (255,),
    ),
}


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "one object in most"])
def test_masks_of_more_values_are_refused_until_it_is_said_what_they_mean(tmp_path, name):
    encode, extension, told, remedy = REFUSED[name]
    folder = folder_of(tmp_path, encode, extension)
    with pytest.raises(UsageError) as caught:
        surveyed(folder).check()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    found = surveyed(folder, foreground=remedy).check()
    assert wrong_pixels(found, folder) == [0] * 4


def test_one_file_with_numbered_objects_is_enough_to_refuse_all(tmp_path):
    folder = folder_of(tmp_path, lambda labels: binary(labels, 1))
    save(folder / "masks" / "2.png", blobs(2, 3))
    with pytest.raises(UsageError, match=r"4 values \(0, 1, 2, 3\)"):
        surveyed(folder).check()


def test_a_colour_that_no_mask_has_is_refused(tmp_path):
    folder = folder_of(tmp_path, binary)
    with pytest.raises(UsageError, match=r"no mask has a value of data.foreground: they have 2 values \(0, 255\)"):
        surveyed(folder, foreground=(7,)).check()


@pytest.mark.parametrize(("value", "told"), [(0, "all 3 masks are empty"), (255, "all 3 masks are full")])
def test_masks_that_say_nothing_are_refused(tmp_path, value, told):
    folder = folder_of(tmp_path, lambda labels: np.full(SHAPE, value, np.uint8), count=3)
    with pytest.raises(UsageError, match=told):
        surveyed(folder).check()
