import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from shared.images.preparation import prepare
from shared.images.probabilities import histogram
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, save_checkpoint
from shared.net.predictor import Predictor
from training import evaluate
from training.evaluation import examination, probe_scenes, segmenting
from training.evaluation.examination import Examination
from training.evaluation.field_cases import Kind, Picture, render
from training.evaluation.foreign import Source, sources
from training.evaluation.probes import PROBES, SIZES
from training.evaluation.results import Result, rows_by_kind
from training.evaluation.segmenting import Segmentation, segment
from training.evaluation.sheet import ANSWER, TRUTH, WORST, WorstAnswers
from training.evaluation.targets import TARGETS
from training.evaluation.trust import auroc, trust_report
from training.evaluation.trust_scores import confidence, trust
from worker.measuring import measure

SHAPE = Kind("ramp", "ground", "")
NOTHING = Kind("empty", "nothing", "")
UNSEEN = Kind("crescent", "shapes", "", is_held_out=True)
BENCHMARK = Kind("val", "dotblob-v1", "")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network that has learnt nothing, trained on nothing that is known."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    arguments = {"base": 8, "levels": 3, "stem": 4}
    save_checkpoint(folder, build("attention_unet", arguments), Metadata("attention_unet", arguments))
    return folder


def result(kind, dice, score=0.5, foreground=0.1):
    return Result(kind, dice, foreground, {"trust": score})


def scene(name, seed=1):
    return PROBES[name].change(probe_scenes.base_scene(seed), np.random.default_rng(seed))


def test_pictures_beside_the_benchmark_s_are_reported_whatever_a_model_was_trained_on(
    checkpoint, few_pictures, capsys, tmp_path
):
    words = ["--set", *evaluate.REALITY_PARTS, "--scenes", "1", "--sheet", tmp_path / "worst.png"]
    words += ["--json", tmp_path / "scores.json", "--device", "cpu", "--checkpoint", checkpoint]
    assert evaluate.main([*map(str, words)]) == 0
    printed = capsys.readouterr().out
    assert "Measured on" not in printed
    for cells in ("| clutter 10 % of the density inside | ≥ 0.800 |", "| crescent † |", "| tiny | here | 1 |"):
        assert cells in printed
    assert "Not installed, so left out: elsewhere." in printed
    found = json.loads((tmp_path / "scores.json").read_text())["models"]["tiny"]
    assert found["field"]["held_out"]["kinds"] == 1
    assert found["field"]["trained"]["kinds"] == 2
    assert found["probes"]["held_out"]["dice"] == found["field"]["held_out"]["dice"]
    assert 0 <= found["foreign"]["all"]["foreground"] <= 1
    assert set(found["trust"]["groups"]) >= {"dotblob-v1", "nothing", "ground", "size", "held out", "foreign", "all"}
    with Image.open(tmp_path / "worst.png") as sheet:
        assert sheet.height > 5 * 176


def test_every_target_is_a_figure_of_a_report(checkpoint):
    names = {target.path[2] for target in TARGETS if target.path[:2] == ("probes", "kinds")}
    assert names <= PROBES.keys()
    assert set(SIZES) <= PROBES.keys()
    missed = [target for target in TARGETS if target.is_met(target.goal + (0.01 if target.is_most else -0.01))]
    assert missed == []
    assert all(target.is_met(target.goal) for target in TARGETS)


def test_a_target_that_was_not_measured_has_no_figure():
    assert TARGETS[0].measured({"probes": {}}) is None
    assert TARGETS[0].measured({"val": {"dice": 0.9}}) == 0.9


def test_all_probes_of_a_seed_change_one_scene():
    base = probe_scenes.base_scene(1)
    assert scene("camera noise") == base
    assert scene("clutter 10 %").outlines == base.outlines == scene("ramp 50 %").outlines
    assert scene("clutter 10 %").dot_centres[: len(base.dot_centres)] == base.dot_centres
    assert scene("clutter 35 %").dot_radii[: len(base.dot_radii)] == base.dot_radii
    assert len(scene("clutter 35 %").dot_radii) > len(scene("clutter 5 %").dot_radii) > len(base.dot_radii)
    assert scene("median 3").noise == scene("JPEG 30").noise != base.noise
    assert scene("blank").noise == ()


@pytest.mark.parametrize("name", [name for name, probe in PROBES.items() if "nothing" in probe.kind.group])
def test_a_probe_of_nothing_has_no_truth(name):
    picture = render(PROBES[name].kind, 1, scene(name))
    assert not picture.truth.any()
    assert picture.image.shape == (512, 512)


@pytest.mark.parametrize(
    ("name", "side", "shapes"),
    [
        ("three shapes", 512, 3),
        ("tiny shape", 512, 1),
        ("white margin", 652, 1),
        ("64 px", 64, 1),
        ("1024 px", 1024, 1),
    ],
)
def test_a_probe_has_the_shapes_and_the_size_of_its_name(name, side, shapes):
    picture = render(PROBES[name].kind, 1, scene(name))
    assert picture.image.shape == picture.truth.shape == (side, side)
    assert label(picture.truth)[1] == shapes


def test_large_probes_hold_usual_shapes_on_ground():
    usual = render(SHAPE, 1, scene("camera noise")).truth.sum()
    alone, one, nine = (scene(name) for name in SIZES[-3:])
    assert (alone.width, one.width, nine.width) == (2048, 1536, 1536)
    assert (len(alone.outlines), len(one.outlines), len(nine.outlines)) == (1, 1, 9)
    picture = render(SHAPE, 1, one)
    assert picture.truth.sum() == usual
    cells = picture.truth.reshape(3, 512, 3, 512).any(axis=(1, 3))
    assert cells.sum() == 1


def test_a_tiny_shape_is_40_px_across():
    sizes = [np.ptp(np.nonzero(render(SHAPE, 1, scene("tiny shape", seed)).truth), axis=1).mean() for seed in range(8)]
    assert 30 < np.mean(sizes) < 50


def test_white_margins_hide_nothing_of_the_picture():
    plain, page = (render(SHAPE, 1, scene(name)) for name in ("camera noise", "white margin"))
    assert np.array_equal(page.truth[70:-70, 70:-70], plain.truth)
    assert (page.image[:70] == 255).all()
    assert (page.image[:, -70:] == 255).all()
    assert page.truth.sum() == plain.truth.sum()


@pytest.mark.parametrize("shape", [(64, 64), (300, 900), (1030, 520)])
def test_pictures_of_any_size_are_segmented_as_the_predictor_does(checkpoint, shape):
    predictor = Predictor.load(checkpoint, "cpu", "fp32")
    images = [np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8) for seed in range(2)]
    for image, found in zip(images, segment(predictor, images), strict=True):
        expected = predictor.predict_image(image.astype(np.float32))
        assert found.probability == pytest.approx(expected, abs=1.1 / 255)


def test_all_pictures_are_prepared_in_one_place(checkpoint, monkeypatch):
    predictor = Predictor.load(checkpoint, "cpu", "fp32")
    images = [np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)]
    plain = segment(predictor, images)[0].levels
    monkeypatch.setattr(segmenting, "prepared", lambda image, _intake: prepare(255 - image))
    assert not np.array_equal(segment(predictor, images)[0].levels, plain)


def test_trust_and_confidence_are_the_worker_s():
    levels = np.random.default_rng(0).integers(0, 256, (32, 48), dtype=np.uint8)
    expected = measure(histogram(levels), 0.4)
    segmentation = Segmentation(levels, levels, 0.4)
    assert trust(segmentation) == pytest.approx(expected.trust)
    assert confidence(segmentation) == pytest.approx(expected.confidence)
    assert trust(Segmentation(levels, np.zeros_like(levels), 0.4)) == 1.0


def test_figures_tell_pictures_with_a_truth_from_those_without():
    mixed = [result(SHAPE, 0.9), result(SHAPE, 0.5), result(SHAPE, 0.0, foreground=0.0), result(SHAPE, None)]
    row = rows_by_kind([*mixed, result(NOTHING, None, foreground=0.004)])["ramp"]
    assert row["dice"] == pytest.approx(1.4 / 3)
    assert row["under_070"] == pytest.approx(2 / 3)
    assert row["answered_nothing"] == pytest.approx(1 / 3)
    assert row["left_empty"] == 0
    assert row["foreground"] == pytest.approx(0.1)
    nothing = rows_by_kind([result(NOTHING, None, foreground=0.004)])["empty"]
    assert nothing["left_empty"] == 1
    assert "dice" not in nothing


def test_foreground_where_there_is_nothing_is_a_bad_result():
    assert result(NOTHING, None, foreground=0.005).is_bad
    assert not result(NOTHING, None, foreground=0.0049).is_bad
    assert result(SHAPE, 0.69).is_bad
    assert not result(SHAPE, 0.7).is_bad


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    assert auroc(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert auroc(np.array([0.1]), np.array([0.9])) == 0
    assert auroc(np.array([0.5, 0.9]), np.array([0.5])) == pytest.approx(0.75)
    assert auroc(np.array([]), np.array([0.5])) is None


def test_what_is_caught_is_counted_at_the_benchmark_s_false_alarms():
    good = [result(BENCHMARK, 0.9, score) for score in np.linspace(0.5, 1, 101)]  # one in twenty is under 0.525
    others = [result(SHAPE, 0.9, 0.51), result(SHAPE, 0.9, 0.6), result(UNSEEN, 0.2, 0.4), result(UNSEEN, 0.2, 0.9)]
    found = trust_report([*good, *others])
    groups = found["scores"]["trust"]["groups"]
    assert groups["dotblob-v1"]["good_flagged"] == pytest.approx(5 / 101)
    assert groups["ground"] == {"auroc": None, "caught": None, "good_flagged": 0.5}
    assert groups["held out"]["caught"] == 0.5
    assert found["groups"]["unseen: held out and foreign"] == {"good": 0, "bad": 2}
    assert found["headline"]["auroc_unseen"] == groups["held out"]["auroc"]


def test_risk_falls_where_the_least_trusted_are_the_worst():
    results = [result(BENCHMARK, dice, score=dice) for dice in np.linspace(0.5, 1, 20)]
    risk = trust_report(results)["scores"]["trust"]["risk"]
    assert risk["100%"]["worth"] == pytest.approx(0.75)
    assert risk["50%"]["worth"] > 0.85
    assert risk["50%"]["bad"] == 0 < risk["100%"]["bad"]


def test_an_estimate_is_held_against_the_true_dice_in_bins():
    results = [result(BENCHMARK, 0.8, 0.95), result(BENCHMARK, 0.9, 1.0), result(SHAPE, 0.3, 0.65)]
    missed = [result(SHAPE, 0.0, 0.0, foreground=0.0), result(NOTHING, None, 0.9)]
    found = trust_report([*results, *missed])["calibration"]["trust"]
    assert found["dotblob-v1"]["bins"] == {"0.9 to 1": {"images": 2, "estimate": 0.975, "dice": pytest.approx(0.85)}}
    assert found["dotblob-v1"]["bias"] == pytest.approx(0.125)
    assert found["field-v1"]["bins"].keys() == {"0.6 to 0.7"}  # what was not answered has no Dice to be estimated


def test_the_headline_is_of_the_quality_and_of_what_the_product_calls_unfamiliar():
    def both(kind, dice, quality, familiarity):
        return Result(kind, dice, 0.1, {"trust": 0.5, "quality": quality, "familiarity": familiarity})

    good = [both(BENCHMARK, 0.9, 0.8 + i / 100, 0.011 + i / 100) for i in range(10)]  # the first is called unfamiliar
    bad = [both(UNSEEN, 0.1, 0.855, 0.0), both(UNSEEN, 0.1, 0.1, 0.9)]
    found = trust_report([*good, *bad])["headline"]
    assert found["score"] == "quality"
    assert found["auroc_unseen"] == pytest.approx((10 + 4) / 20)
    assert found["good_called_unfamiliar"] == 0.1
    assert "good_called_unfamiliar" not in trust_report([result(BENCHMARK, 0.9, 0.5)])["headline"]


def test_a_score_is_judged_on_the_results_that_have_it():
    without = Result(SHAPE, 0.1, 0.1, {"trust": 0.9})
    with_one = [Result(BENCHMARK, dice, 0.1, {"trust": 0.5, "quality": dice}) for dice in (0.2, 0.8, 0.9)]
    scores = trust_report([without, *with_one])["scores"]
    assert scores["quality"]["groups"]["all"]["auroc"] == 1
    assert scores["trust"]["groups"]["all"]["auroc"] == 0.25
    assert "ground" not in scores["quality"]["groups"]


def test_the_worst_answers_of_each_kind_are_drawn():
    worst = WorstAnswers()
    image = np.zeros((64, 64), dtype=np.uint8)
    nowhere, middle = image > 0, np.pad(np.ones((32, 32), dtype=np.bool_), 16)
    for number in range(WORST + 5):
        truth = middle if number < WORST else nowhere  # only the best answers are to pictures without one
        worst(Picture(SHAPE, str(number), image, truth), Segmentation(image, image, 0.5), result(SHAPE, number / 20))
    worst(Picture(NOTHING, "0", image, nowhere), Segmentation(image, image + 255, 0.5), result(NOTHING, None))
    rows = np.array_split(np.asarray(worst.sheet()).astype(int), 2)
    green, magenta = ([(row == colour).all(axis=2).sum() for row in rows] for colour in (TRUTH, ANSWER))
    assert green == [WORST * (4 * 88 - 4), 0]
    assert magenta == [0, 4 * 176 - 4]


def test_foreign_pictures_are_those_of_installed_packages_without_a_truth():
    by_package = {source.package: source for source in sources()}
    pictures = list(by_package["skimage"].pictures())
    assert len(pictures) > 20
    assert "camera.png" in {picture.name for picture in pictures}
    assert not any(picture.truth.any() for picture in pictures)
    assert all(min(picture.image.shape) >= 64 for picture in pictures)


def test_a_report_without_foreign_pictures_says_so(checkpoint, few_pictures, monkeypatch):
    monkeypatch.setattr(examination, "sources", lambda: [Source("gone", None)])
    found = Examination(Predictor.load(checkpoint, "cpu", "fp32"), 1).report("foreign")
    assert found["missing"] == ["gone"]
    assert found["all"]["foreground"] is None
    assert found["headline"] == {}
