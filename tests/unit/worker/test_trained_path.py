"""A network of one's own images answers in the worker as it was validated, image by image and pixel on pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.images.codec import decode_mask, decode_probability
from shared.images.metrics import dice
from shared.jobs.state import ItemState
from shared.net.intake import Intake
from shared.net.predictor import Predictor
from shared.store import keys
from training import train
from training.run import ending

SIDE, PAIRS = 128, 10
ATTENDING = "{base: 4, levels: 3, stem: 2, dropout: 0.0}"


class Trained:
    """A checkpoint in the place of the pipeline's network; it remembers the sides of its tiles."""

    def __init__(self, path) -> None:
        self.predictor = Predictor.load(path, "cpu")
        self.sha256, self.threshold = self.predictor.sha256, self.predictor.threshold
        self.scores, self.intake = self.predictor.scores, self.predictor.intake
        self.sides: set[tuple[int, ...]] = set()

    def predict(self, tiles):
        self.sides.add(tiles.shape[-2:])
        return self.predictor.answer_tiles(tiles)


def write_pairs(folder) -> None:
    rows, columns = np.indices((SIDE, SIDE))
    for index in range(PAIRS):
        rng = np.random.default_rng(index)
        mask = np.zeros((SIDE, SIDE), bool)
        for _ in range(5):
            row, column = rng.uniform(0, SIDE, 2)
            mask |= np.hypot(rows - row, columns - column) < rng.uniform(8, 16)
        image = np.clip(80 + 60 * mask + rng.normal(0, 30, mask.shape), 0, 255).astype(np.uint8)
        for part, content in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(folder / part / f"{index}.png")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A network with attention, which looks at all of its tile, trained for seconds on tiles of 128 px."""
    folder = tmp_path_factory.mktemp("own")
    write_pairs(folder / "pairs")
    settings = {
        "data.size": SIDE, "data.samples": 64, "model.architecture": "attention_unet", "model.arguments": ATTENDING,
        "optimiser.batch_size": 4, "budget.epochs": 3, "validation": "{keep: last}", "precision": "fp32",
    }  # fmt: skip
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    config = str(Path(train.__file__).parent / "configs" / "own.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "write_report", lambda *_: [])
        patch.chdir(folder)
        torch.set_num_threads(1)
        arguments = ["--config", config, "--data", str(folder / "pairs"), "--out", str(folder / "run"), *words]
        assert train.main([*arguments, "--device", "cpu"]) == 0
    return folder


@pytest.fixture
def model(run) -> Trained:
    return Trained(run / "run")


def test_the_worker_scores_what_validation_scored(run, model, pipeline, submit, services):
    description = json.loads((run / "run" / "model.json").read_text())
    assert (description["smallest_tile"], description["enlarges"]) == (SIDE, False)
    assert model.intake == Intake(1, SIDE, enlarges=False)
    names = description["training"]["held_out"]
    shard = submit({f"{name}.png": (run / "pairs" / "images" / f"{name}.png").read_bytes() for name in names})
    pipeline.process_shard(shard.id)
    scores = []
    for path, item in shard.items.items():
        assert item.state is ItemState.SUCCEEDED, item.error_reason
        found = decode_probability(services.store.get(keys.probability(shard.job_id, item.id))) >= 0.5
        truth = decode_mask((run / "pairs" / "masks" / path).read_bytes())
        scores.append(dice(found, truth))
    assert model.sides == {(SIDE, SIDE)}  # neither enlarged nor surrounded by anything
    validated = description["metrics"]["monitor"]["val_dice"]
    assert validated > 0.6
    assert np.mean(scores) == pytest.approx(validated, abs=0.005)
