"""Folders of images and masks as people have them: layouts, encodings of masks, faults and suspects."""

import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from shared.errors import UsageError
from shared.images.pairs.layout import find_layout
from tests.unit.training.pairs_made import SHAPE, binary, blobs, folder_of, picture, save, surveyed
from training import check
from training.data.config import DataConfig
from training.data.pairs.split import split

ROLES = ("images", "masks")


LAYOUTS = {
    "side by side": ("a.png", "a_mask.tif"),
    "labels": ("Images/A.PNG", "labels/a.tif"),
    "in parts": ("train/images/a.png", "train/masks/a.png"),
    "parts within": ("images/train/a.png", "labels/train/a.png"),
    "masks of train": ("train/a.png", "train_masks/a_mask.png"),
    "nnU-Net": ("imagesTr/a_0000.tif", "labelsTr/a.tif"),
    "masks beside a folder": ("a.png", "masks/a.png"),
    "composed and decomposed": tuple(
        f"{folder}/{unicodedata.normalize(form, 'Zähler')}.png"
        for folder, form in (("images", "NFC"), ("masks", "NFD"))
    ),
    "nested": ("x/y/a.tif", "x/y/a_label.npy"),
    "a folder for each": ("one/images/a.png", "one/masks/1.png"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_pairs_are_found_where_people_put_them(tmp_path, name):
    for place in LAYOUTS[name]:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    layout = find_layout(tmp_path)
    (pair,) = layout.pairs
    assert (pair.image, *pair.masks) == tuple(tmp_path / place for place in LAYOUTS[name])
    assert not layout.unpaired_images
    assert not layout.unpaired_masks


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return find_layout(folder)


def test_what_is_no_pair_is_left_out_and_counted(tmp_path):
    layout = touch(
        tmp_path,
        *("images/a.png", "masks/a.png", "images/._a.png", ".DS_Store", "notes.txt", "preview.png", "truth/a.png"),
        *("test/images/q.png", "__MACOSX/images/a.png", "images/b.png"),
    )
    assert [pair.name for pair in layout.pairs] == ["a"]
    assert [path.name for path in layout.unpaired_images] == ["b.png"]
    assert list(layout.left_out.values()) == [2, 1, 1, 1, 1]


def test_which_of_two_masks_belongs_to_an_image_is_not_guessed(tmp_path):
    layout = touch(tmp_path, "a.png", "a_mask.png", "a_label.png")
    assert not layout.pairs
    assert len(layout.unpaired_images) == 1
    assert touch(tmp_path / "own", "a.png", "a_manual1.png", "a_manual2.png").pairs == ()
    assert len(find_layout(tmp_path / "own", "_manual2").pairs) == 1


def test_objects_in_files_of_their_own_are_one_mask(tmp_path):
    for case in ("one", "two"):
        labels = blobs(len(case))
        save(tmp_path / case / "images" / f"{case}.png", picture(labels > 0))
        for number in range(1, 6):
            save(tmp_path / case / "masks" / f"{number}.png", binary(labels == number))
    found = surveyed(tmp_path).check()
    assert [round(each.foreground, 6) for each in found.facts] == [round(float((blobs(3) > 0).mean()), 6)] * 2


def test_ones_own_split_and_folds_count(tmp_path):
    layout = touch(tmp_path, *(f"{part}/{role}/{part}.png" for part in ("train", "val") for role in ROLES))
    config = DataConfig(kind="folder", folder=tmp_path)
    trained, held_out = split(SimpleNamespace(layout=layout, facts=()), config)
    assert [[pair.part for pair in part] for part in (trained, held_out)] == [["train"], ["val"]]
    folds = touch(tmp_path / "cv", *(f"fold_{n}/{role}/{n}.png" for n in range(3) for role in ROLES))
    found = SimpleNamespace(layout=folds, facts=())
    trained, held_out = split(found, config.model_copy(update={"fold": "2/3"}))
    assert [pair.part for pair in held_out] == ["fold_1"]
    with pytest.raises(UsageError, match="has 3 folds"):
        split(found, config.model_copy(update={"fold": "1/5"}))


def test_folds_of_a_plain_folder_hold_out_each_pair_once(tmp_path):
    layout = touch(tmp_path, *(f"{role}/{n}.png" for n in range(7) for role in ROLES))
    found = SimpleNamespace(layout=layout, facts=())
    parts = [split(found, DataConfig(kind="folder", folder=tmp_path, fold=f"{k}/3")) for k in (1, 2, 3)]
    assert sorted(pair.name for _, held_out in parts for pair in held_out) == [str(n) for n in range(7)]
    assert all(not set(trained) & set(held_out) for trained, held_out in parts)


def save_oriented(path, array, orientation):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=95)


def test_files_that_are_shown_turned(tmp_path):
    for number in range(2):
        save(tmp_path / "images" / f"plain{number}.png", picture(blobs(number) > 0))
        save(tmp_path / "masks" / f"plain{number}.png", binary(blobs(number)))
    labels = blobs(7)
    save_oriented(tmp_path / "images" / "alike.png", picture(labels > 0), 3)
    save_oriented(tmp_path / "masks" / "alike.png", binary(labels), 3)
    save_oriented(tmp_path / "images" / "shown.jpg", picture(labels > 0), 6)
    save(tmp_path / "masks" / "shown.png", np.rot90(binary(labels), -1))
    found = surveyed(tmp_path).check()
    contrasts = {each.pair.name: each.signs.contrast for each in found.facts}
    assert min(contrasts.values()) > 0.8, contrasts
    save(tmp_path / "masks" / "alike.png", binary(labels))
    with pytest.raises(UsageError, match=r"images/alike.png is shown turned.*save image and mask as they are shown"):
        surveyed(tmp_path).check()


def test_all_faults_are_told_at_once(tmp_path, capsys):
    folder = folder_of(tmp_path / "set", binary, count=9)
    save(folder / "masks" / "1.png", binary(blobs(1))[:80])
    (folder / "masks" / "2.png").write_text("not an image")
    (folder / "images" / "3.png").write_bytes((folder / "images" / "3.png").read_bytes()[:900])
    (folder / "masks" / "4.png").unlink()
    tifffile.imwrite(folder / "images" / "5.tif", np.zeros((3, *SHAPE), np.uint8), photometric="minisblack")
    (folder / "images" / "5.png").unlink()
    assert check.main([str(folder), "--sheet", str(tmp_path / "sheet.png")]) == 1
    said = capsys.readouterr().out
    for reason in (
        "masks/1.png is 128×80 px, its image is 128×96 px",
        "masks/2.png cannot be used",
        "images/3.png cannot be used: the PNG ends early",
        "images without a mask, which need one of the same name (1)",
        "images/5.tif has several pages",
        "4 pairs of 128×96 px, foreground",
    ):
        assert reason in said
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 500


SUSPECTS = {
    "inverted": (lambda labels: 255 - binary(labels), "may be inverted"),
    "turned by 180": (lambda labels: binary(labels)[::-1, ::-1], "turned by 180°"),
    "mirrored": (lambda labels: binary(labels)[:, ::-1], "mirrored left to right"),
    "shifted": (lambda labels: np.roll(binary(labels), 14, axis=1), "shifted by"),
    "outlines": (lambda labels: binary((labels > 0) & ~ndimage.binary_erosion(labels > 0)), "outlines, not filled"),
    "the border": (lambda labels: np.pad(np.zeros((92, 124), np.uint8), 2, constant_values=255), "border alone"),
}


@pytest.mark.parametrize("name", SUSPECTS)
def test_a_mask_that_is_not_what_it_seems_is_to_be_looked_at(tmp_path, name):
    encode, told = SUSPECTS[name]
    folder = folder_of(tmp_path, binary, count=6)
    save(folder / "masks" / "3.png", encode(blobs(3)))
    found = surveyed(folder)
    assert not found.faults
    assert [(told in kind, names) for kind, names in found.suspects.items()] == [(True, ("3",))]


def test_doubles_are_told(tmp_path):
    folder = folder_of(tmp_path, binary, count=5)
    for role in ("images", "masks"):
        (folder / role / "7.png").write_bytes((folder / role / "1.png").read_bytes())
    (folder / "masks" / "2.png").write_bytes((folder / "masks" / "3.png").read_bytes())
    suspects = surveyed(folder).suspects
    assert suspects["the same pair more than once"] == ("1 = 7",)
    assert suspects["one mask for different images"] == ("2 = 3",)


def test_a_folder_that_is_in_order_is_said_to_be(tmp_path, capsys, monkeypatch):
    folder = folder_of(tmp_path / "my-pairs", binary)
    monkeypatch.chdir(tmp_path)
    assert check.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "foreground is 255 of 0 and 255" in said
    assert "\nlook at:" not in said
    assert (tmp_path / "my-pairs-check.png").is_file()
    assert check.main([str(tmp_path / "nothing")]) == 2
    assert check.main([str(folder), "--set", "foreground=sometimes"]) == 2
