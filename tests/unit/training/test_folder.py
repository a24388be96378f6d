import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import UsageError
from shared.images.codec import encode_grey, encode_mask
from training.data.open import DataConfig, NoiseLevel, open_data

NOISE = NoiseLevel()


def write_pair(folder, name, shape=(80, 100), mask=None):
    rng = np.random.default_rng(int(name))
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    blob = np.zeros(shape, dtype=bool)
    blob[20:50, 30:60] = True
    image = (blob * 100 + rng.integers(0, 50, shape)).astype(np.uint8)
    (folder / "images" / f"{name}.png").write_bytes(encode_grey(image))
    (folder / "masks" / f"{name}.png").write_bytes(encode_mask(blob if mask is None else mask))


@pytest.fixture
def folder(tmp_path):
    for index in range(10):
        write_pair(tmp_path / "set", f"{index}")
    return tmp_path / "set"


def opened(folder, **changes):
    data = {"kind": "folder", "folder": folder, "size": 64, **changes.pop("data", {})}
    return open_data(DataConfig(**data), **{"seed": 0, "batch_size": 2, "device": torch.device("cpu"), **changes})


def images(batches):
    return torch.cat([batch.images for batch in batches])


def test_image_and_mask_stay_together_through_the_augmentation(folder):
    source = opened(folder, data={"samples": 64})
    for batch in source.batches(0, NOISE):
        assert batch.images.shape == batch.masks.shape == (2, 1, 64, 64)
        inside = batch.masks > 0
        if inside.any():
            assert batch.images[inside].min() > batch.images[~inside].max()


def test_crops_flips_and_turns_are_made(folder):
    masks = torch.cat([batch.masks for batch in opened(folder, data={"samples": 32}).batches(0, NOISE)])
    assert len({mask.numpy().tobytes() for mask in masks}) > 10


def test_an_epoch_resumes_and_epochs_differ(folder):
    whole = list(opened(folder).batches(3, NOISE))
    assert len(whole) == 4
    assert torch.equal(images(whole[2:]), images(opened(folder).batches(3, NOISE, start=2)))
    assert not torch.equal(images(whole), images(opened(folder).batches(4, NOISE)))


def test_two_processes_see_between_them_what_one_would(folder):
    alone = images(opened(folder, batch_size=4).batches(0, NOISE))
    parts = [opened(folder, rank=rank, world_size=2).batches(0, NOISE) for rank in (0, 1)]
    assert torch.equal(alone, images(batch for step in zip(*parts, strict=True) for batch in step))


def test_the_split_depends_on_its_seed_alone_and_shares_nothing(folder):
    source = opened(folder)
    assert len(source.held_out) == 2
    assert not set(source.held_out) & set(source.training)
    assert opened(folder, seed=9).held_out == source.held_out
    assert any(opened(folder, data={"split_seed": seed}).held_out != source.held_out for seed in range(1, 5))
    (name,) = source.validation()
    assert name == "val"
    assert torch.equal(images(source.validation()["val"]), images(source.validation()["val"]))
    few = opened(
        folder, data={"validation_share": 0.5, "validation_samples": 2}
    )  # held out are those too that none scores
    assert len(images(few.validation()["val"])) == 2
    assert set(few.held_out_names) == {str(n) for n in range(10)} - {pair.name for pair in few.training}
    assert len(few.held_out_names) == 5


def test_a_small_image_is_padded_with_more_of_its_ground(tmp_path):
    for index in range(3):
        write_pair(tmp_path, f"{index}", shape=(60, 60))
    batch = next(opened(tmp_path).batches(0, NOISE))
    assert batch.images.shape == (2, 1, 64, 64)
    edge, inside = batch.images[:, 0, 0], batch.images[:, 0, 2:62, 2:62]
    assert all(torch.isin(row, image).all() for row, image in zip(edge, inside, strict=True))
    assert batch.masks[:, :, 0].abs().max() == 0


def test_an_empty_mask_is_empty_and_what_is_held_out_is_not(tmp_path):
    for index in range(6):
        write_pair(tmp_path, f"{index}", mask=np.zeros((80, 100), dtype=bool) if index < 4 else None)
    for seed in range(5):
        source = opened(tmp_path, batch_size=1, data={"split_seed": seed})
        assert len(source.held_out) == 1
        (scored,) = source.validation()["val"]
        assert scored.masks.any()
        assert {int(pair.name) for pair in source.training} >= {0, 1, 2, 3}
    assert min(batch.masks.sum() for batch in source.batches(0, NOISE)) == 0


def test_held_out_images_are_scored_whole(folder):
    write_pair(folder, "10", shape=(130, 70))
    source = opened(folder, batch_size=1, data={"validation_share": 0.9, "split_seed": 1})
    scored = list(source.validation()["val"])
    assert {tuple(batch.images.shape[2:]) for batch in scored} == {(128, 128), (192, 128)}
    assert sum(len(batch.images) for batch in scored) == len(source.held_out)


def read_everything(folder):
    source = opened(folder)
    list(source.batches(0, NOISE))
    list(source.validation()["val"])


def break_missing(folder):
    (folder / "masks" / "4.png").unlink()


def break_size(folder):
    (folder / "masks" / "4.png").write_bytes(encode_mask(np.zeros((40, 40), dtype=bool)))


def break_file(folder):
    (folder / "images" / "4.png").write_bytes(b"<html>")


def break_mask_into_alpha(folder):
    alpha = np.zeros((80, 100), np.uint8)
    alpha[20:40] = 255
    Image.fromarray(np.dstack([np.zeros((80, 100, 3), np.uint8), alpha])).save(folder / "masks" / "4.png")


def break_orientation(folder):
    exif = Image.Exif()
    exif[0x0112] = 3
    path = folder / "images" / "4.png"
    Image.open(path).copy().save(path, exif=exif)


def break_twice(folder):
    (folder / "images" / "4.jpg").write_bytes(b"")


def break_all(folder):
    for path in (folder / "images").iterdir():
        path.unlink()
    (folder / "images").rmdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (break_missing, "images without a mask.*: images/4.png"),
        (break_size, "4.png is 40×40 px, its image is 100×80 px"),
        (break_file, "4.png cannot be used"),
        (break_mask_into_alpha, "transparent in places: set data.foreground to alpha .*: masks/4.png"),
        (break_orientation, "4.png is shown turned"),
        (break_twice, "two files of one name, of which to keep one: images/4.jpg and images/4.png"),
        (break_all, "masks without an image of the same name: masks/0.png, masks/1.png, masks/2.png and 7 more"),
    ],
)
def test_a_pair_that_does_not_fit_is_one_clear_line(folder, damage, reason):
    damage(folder)
    with pytest.raises(UsageError, match=reason) as caught:
        read_everything(folder)
    assert "\n" not in str(caught.value)


def test_too_few_pairs_for_a_batch_are_refused(folder):
    with pytest.raises(UsageError, match="fills no batch of 16"):
        opened(folder, batch_size=16)
