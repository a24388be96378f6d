"""A network of one's own images answers in the worker as it was validated, image by image and pixel on pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from shared.images.codec import decode_mask, decode_probability, encode_grey
from shared.images.metrics import dice
from shared.jobs.state import ItemStatus
from shared.net.predictor import Predictor
from shared.store import keys
from training import train
from training.run import ending

SIDE, PAIRS = 128, 10
NUCLEUS, CELL, GROUND = (95, 70, 150), (150, 50, 112), (235, 215, 225)  # purple; pink of the same light; pale


class Trained:
    """A checkpoint in the place of the pipeline's network; it remembers the shapes of its tiles."""

    def __init__(self, path: Path) -> None:
        self.predictor = Predictor.load(path, "cpu")
        self.sha256, self.threshold = self.predictor.sha256, self.predictor.threshold
        self.scores, self.intake = self.predictor.scores, self.predictor.intake
        self.shapes: set[tuple[int, ...]] = set()

    def predict(self, tiles):
        self.shapes.add(tiles.shape[1:])
        return self.predictor.answer_tiles(tiles)


def discs(rng, count):
    rows, columns = np.indices((SIDE, SIDE))
    places = ((*rng.uniform(0, SIDE, 2), rng.uniform(8, 16)) for _ in range(count))
    return np.any([np.hypot(rows - row, columns - column) < radius for row, column, radius in places], axis=0)


def grey_pair(rng):
    mask = discs(rng, 5)
    return np.clip(80 + 60 * mask + rng.normal(0, 30, mask.shape), 0, 255).astype(np.uint8), mask


def stained_pair(rng):
    """Purple nuclei are foreground; pink cells of the same light and size are not."""
    cells, mask = discs(rng, 4), discs(rng, 4)
    image = np.where(mask[..., None], NUCLEUS, np.where(cells[..., None], CELL, GROUND))
    return np.clip(image + rng.normal(0, 10, image.shape), 0, 255).astype(np.uint8), mask


def trained(folder: Path, make, **settings: object) -> Path:
    for index in range(PAIRS):
        image, mask = make(np.random.default_rng(index))
        for part, content in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / "pairs" / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(folder / "pairs" / part / f"{index}.png")
    settings = {
        "data.size": SIDE,
        "data.samples": 64,
        "data.augmentation.bend": 0.0,
        "optimiser.batch_size": 4,
        "optimiser.lr": 0.01,
        "optimiser.ema_decay": 0.9,
        "budget.epochs": 5,
        "validation": "{keep: last}",
        "precision": "fp32",
        **settings,
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    config = Path(train.__file__).parent / "configs" / "own.yaml"
    arguments = ["--config", str(config), "--data", str(folder / "pairs"), "--out", str(folder / "run"), *words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "write_report", lambda *_: [])
        torch.set_num_threads(1)
        assert train.main([*arguments, "--device", "cpu"]) == 0
    return folder


@pytest.fixture(scope="module")
def attending(tmp_path_factory) -> Path:
    """A network with attention, which looks at all of its tile, trained for seconds on tiles of 128 px."""
    arguments = {
        "model.architecture": "attention_unet",
        "model.arguments": "{base: 8, levels: 3, stem: 2, dropout: 0.0}",
    }
    return trained(tmp_path_factory.mktemp("grey"), grey_pair, **arguments)


@pytest.fixture(scope="module")
def stained(tmp_path_factory) -> Path:
    """A network of images in which colour decides, whose channels were chosen from them."""
    arguments = {"model.arguments.base": 8, "model.arguments.levels": 3, "model.arguments.stem": 2}
    return trained(tmp_path_factory.mktemp("colour"), stained_pair, **arguments)


@pytest.fixture
def model(request) -> Trained:
    return Trained(request.getfixturevalue(request.param) / "run")


def sent(folder, submit, pipeline) -> tuple[dict, dict]:
    """What model.json says, and the items of the held-out images after a job."""
    description = json.loads((folder / "run" / "model.json").read_text())
    names = description["training"]["held_out"]
    shard = submit({f"{name}.png": (folder / "pairs" / "images" / f"{name}.png").read_bytes() for name in names})
    pipeline.process_shard(shard.id)
    return description, shard.items


def mean_dice(folder, items, services) -> float:
    scores = []
    for path, item in items.items():
        assert item.state is ItemStatus.SUCCEEDED, item.error
        found = decode_probability(services.store.get(keys.probability(item.job_id, item.id))) >= 0.5
        scores.append(dice(found, decode_mask((folder / "pairs" / "masks" / path).read_bytes())))
    return float(np.mean(scores))


@pytest.mark.parametrize("model", ["attending"], indirect=True)
def test_the_worker_scores_what_validation_scored(attending, model, pipeline, submit, services):
    description, items = sent(attending, submit, pipeline)
    assert (description["smallest_tile"], description["enlarges"]) == (SIDE, False)
    validated = description["metrics"]["monitor"]["val_dice"]
    assert validated > 0.3
    assert mean_dice(attending, items, services) == pytest.approx(validated, abs=0.005)
    assert model.shapes == {(2, SIDE, SIDE)}  # neither enlarged nor surrounded by anything, of which a channel tells
    assert description["arguments"]["knows_padding"] is True


@pytest.mark.parametrize("model", ["stained"], indirect=True)
def test_colour_goes_all_the_way(stained, model, pipeline, submit, services):
    description, items = sent(stained, submit, pipeline)
    assert description["arguments"]["in_channels"] == model.intake.channels == 3
    validated = description["metrics"]["monitor"]["val_dice"]
    assert validated > 0.75  # by light alone cells and nuclei are one, and half of what is found is wrong
    assert mean_dice(stained, items, services) == pytest.approx(validated, abs=0.005)
    assert model.shapes == {(3, SIDE, SIDE)}
    assert {item.preprocessing for item in items.values()} == {"standardise-v2, 3 channels"}


@pytest.mark.parametrize("model", ["stained"], indirect=True)
def test_images_that_do_not_fit_a_model_of_colour(model, pipeline, submit, tmp_path):
    five = tmp_path / "five.tif"
    tifffile.imwrite(five, np.random.default_rng(0).integers(0, 255, (5, 64, 64), np.uint8), metadata=None,
                     photometric="minisblack", planarconfig="separate")  # fmt: skip
    grey, _ = grey_pair(np.random.default_rng(0))
    shard = submit(
        {
            "five.tif": five.read_bytes(),
            "grey.png": encode_grey(grey),
            "made": {"seed": 7, "num_dots": 40, "jitter": 0.01, "severity": 0.0, "noise": "gaussian"},
        }
    )
    pipeline.process_shard(shard.id)
    items = shard.items
    assert items["five.tif"].error == "the model takes 3 channels, and the picture has 5"
    assert items["grey.png"].state is items["made"].state is ItemStatus.SUCCEEDED
    assert items["grey.png"].note == "colour: a grey picture, shown to each of the model's 3 channels"
    assert items["grey.png"].familiarity is None
    chosen = submit({"grey.png": encode_grey(grey)}, channel="red")
    pipeline.process_shard(chosen.id)
    assert "asks for channel red, and its model takes 3" in chosen.items["grey.png"].error
