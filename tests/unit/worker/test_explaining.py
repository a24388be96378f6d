import numpy as np
import pytest

from shared.db.reasons import Reason, label_of, sentence_of
from shared.images.normalise import standardise
from shared.images.resample import resample
from shared.synth import synthesise
from worker.explaining import explain
from worker.spacing import measure_dots


def scene(seed: int, size: int = 512) -> np.ndarray:
    return synthesise(seed, severity=0.0, size=size).image.astype(np.float32)


def reason(image: np.ndarray) -> Reason:
    return explain(standardise(image.astype(np.float32)))


def test_a_ground_that_slopes_is_told() -> None:
    assert reason(scene(1) + np.linspace(0, 127, 512)[None]) is Reason.UNEVEN
    assert reason(scene(1) + np.linspace(0, 127, 512)[:, None]) is Reason.UNEVEN


def test_large_white_areas_are_told() -> None:
    page = np.full((400, 300), 255.0)
    page[::20, 20:-20] = 0
    assert reason(page) is Reason.SATURATED


@pytest.mark.parametrize("seed", range(3))
def test_an_enlarged_scene_has_dots_too_large(seed: int) -> None:
    enlarged = resample(scene(seed), (2048, 2048))
    starts = range(0, 2048, 512)
    windows = [enlarged[row : row + 512, column : column + 512] for row in starts for column in starts]
    assert reason(max(windows, key=np.std)) is Reason.TOO_COARSE
    assert "--scale" in Reason.TOO_COARSE.sentence


@pytest.mark.parametrize("seed", range(4))
def test_scenes_of_the_usual_spacing_are_told_nothing_of_their_scale(seed: int) -> None:
    assert reason(scene(seed)) is Reason.UNLIKE_TRAINING
    assert 8 < measure_dots(standardise(scene(seed))).spacing < 52


def test_noise_and_nothing_have_no_dots() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (300, 500)).astype(np.float32)
    assert measure_dots(noise).count < 10
    assert explain(noise) is Reason.UNLIKE_TRAINING


@pytest.mark.parametrize("shape", [(1, 1), (1, 512), (7, 300), (16, 16), (17, 511), (512, 33)])
@pytest.mark.filterwarnings("error")
def test_a_picture_of_any_shape_is_explained(shape: tuple[int, int]) -> None:
    assert explain(np.random.default_rng(0).standard_normal(shape).astype(np.float32) ** 2)


def test_every_reason_has_its_words() -> None:
    for each in Reason:
        assert each.label
        assert each.sentence.endswith(".")
        assert len(each) <= 32  # its column
    assert sentence_of(None) == label_of(None) == ""
    assert sentence_of("uneven_ground", "x 0, y 512").endswith("Worst at x 0, y 512.")
