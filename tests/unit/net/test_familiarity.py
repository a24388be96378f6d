from dataclasses import replace

import numpy as np
import pytest

from shared.images.probabilities import MapNumbers, histogram
from shared.net.backends.contract import Answer
from shared.net.familiarity import FittedScores, surprise_of_least_familiar, window_vectors
from shared.net.fits import Ranks
from shared.net.tiling import plan_tiles
from shared.net.witness import UNKNOWN, Place, Witness, cut_out
from tests.unit.net.fitted import SCORES, STRANGE, WIDTHS, observations
from training.recipe.observing import Observations
from training.recipe.scores import (
    fit_discriminant,
    fit_odds,
    fit_quality,
    fit_ranks,
    fit_reference,
    fit_scores,
)

RNG = np.random.default_rng(1)


def familiarity(scores: FittedScores, of: object) -> np.ndarray:
    return np.exp(-scores.surprises(scores.strangeness.parts(of.features, of.numbers)))


def test_the_discriminant_is_fisher_s() -> None:
    familiar = RNG.normal(0, 1, (20_000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])  # the two go together
    fitted = fit_discriminant(familiar, familiar + np.array([0.0, 0.5]))
    along = fitted.direction / fitted.spread
    expected = np.linalg.solve([[1.0, 0.8], [0.8, 1.0]], [0.0, 0.5])
    assert along @ expected / np.linalg.norm(along) / np.linalg.norm(expected) == pytest.approx(1, abs=0.02)


def test_what_is_far_off_where_the_strange_lie_is_stranger_than_elsewhere() -> None:
    known = observations(7, 1000)
    where_the_strange_lie, elsewhere = (observations(8, 1000, shift=shift) for shift in (1.5, -1.5))
    surprise = [
        np.median(SCORES.strangeness.parts(of.features, of.numbers)[:, -1])
        for of in (where_the_strange_lie, known, elsewhere)
    ]
    assert surprise[0] > 2 * surprise[1] > surprise[2]


def test_a_distance_is_mahalanobis_where_the_distribution_is_known() -> None:
    spread = np.array([1.0, 5.0, 0.2])
    vectors = RNG.normal(0, 1, (20_000, 3)) * spread + 7
    reference = fit_reference(vectors, np.ones(len(vectors), bool))
    away = np.array([[7, 7, 7], [10, 7, 7], [7, 22, 7], [7, 7, 7.6], [10, 22, 7]])
    expected = [0, 3, 3, 3, 3 * np.sqrt(2)]
    np.testing.assert_allclose(reference.distances(away) * np.sqrt(3), expected, atol=0.1)


def test_numbers_that_go_together_are_far_where_they_do_not() -> None:
    common = RNG.normal(0, 1, 5000)
    vectors = np.stack([common, common + RNG.normal(0, 0.1, 5000)], 1)
    reference = fit_reference(vectors, np.ones(5000, bool))
    together, apart = reference.distances(np.array([[1.0, 1.0], [1.0, -1.0]]))
    assert apart > 8 * together


def test_directions_without_a_variance_of_their_own_count_together() -> None:
    vectors = RNG.normal(0, 1, (4000, 50))
    reference = fit_reference(vectors, np.ones(4000, bool))
    assert reference.variances.shape[1] < 50
    assert reference.distances(RNG.normal(0, 1, (500, 50))).mean() == pytest.approx(1, abs=0.05)
    assert reference.distances(RNG.normal(0, 3, (500, 50))).mean() == pytest.approx(3, abs=0.2)


def test_results_without_a_finding_are_a_group_of_their_own_where_there_are_enough() -> None:
    found = np.arange(1000) >= 300
    vectors = RNG.normal(0, 1, (1000, 4)) + 40 * ~found[:, None]
    between = np.full((1, 4), 20.0)
    assert fit_reference(vectors, found).distances(between)[0] > 10
    few = fit_reference(vectors[250:], found[250:])
    assert len(few.centres) == 1


def test_shares_are_those_of_held_out_values_and_go_on_beyond_them() -> None:
    ranks = fit_ranks(RNG.exponential(1.0, 4000))
    held_out = RNG.exponential(1.0, 4000)
    shares = np.exp(-ranks.surprise(held_out))
    for share in (0.5, 0.1, 0.05, 0.02):
        assert np.mean(shares < share) == pytest.approx(share, rel=0.35)
    assert ranks.surprise(np.array([12.0]))[0] == pytest.approx(12, rel=0.35)
    assert ranks.surprise(np.array([-1.0]))[0] == pytest.approx(0, abs=0.02)
    for value in (0.3, 2.0, 12.0):
        assert ranks.value(ranks.surprise(np.array([value]))[0]) == pytest.approx(value)


def test_familiar_scenes_are_rarely_called_strange_and_others_are() -> None:
    of_familiar = familiarity(SCORES, observations(2, 4000))
    assert np.mean(of_familiar < 0.02) == pytest.approx(0.02, abs=0.012)
    assert np.mean(of_familiar < 0.5) == pytest.approx(0.5, abs=0.05)
    assert np.mean(familiarity(SCORES, observations(3, shift=3.0)) < 0.02) == 1


def qualities(scores: FittedScores, of: Observations) -> list[tuple[float, float] | None]:
    parts = scores.strangeness.parts(of.features, of.numbers)
    return [scores.quality(each, as_numbers(vector)) for each, vector in zip(parts, of.numbers, strict=True)]


def as_numbers(vector: np.ndarray) -> MapNumbers:
    """Return numbers with this vector."""
    trust, confidence = 1 - np.exp(vector[:2])
    return MapNumbers(vector[2] ** 2, confidence, trust, entropy=vector[3], highest=0.2)


@pytest.mark.parametrize("trust", [0.6, 0.75, 0.9])
def test_the_quality_is_the_dice_that_such_results_had(trust: float) -> None:
    of = observations(7, 200)
    of.numbers[:, 0] = np.log(1 - trust)
    found, lows = np.mean(qualities(SCORES, of), axis=0)
    assert found == pytest.approx(trust - 0.05, abs=0.04)
    assert lows == pytest.approx(trust - 0.05 - 1.28 * 0.05, abs=0.06)


def test_of_a_picture_that_is_unlike_all_others_the_quality_is_low_however_sure_the_network_is() -> None:
    familiar, strange = observations(8, 200), observations(8, 200, shift=4.0)
    of_familiar, of_strange = (np.array(qualities(SCORES, each))[:, 0] for each in (familiar, strange))
    assert of_familiar.mean() == pytest.approx(familiar.worth.mean(), abs=0.03)
    assert of_strange.max() < of_familiar.mean() - 0.2


def test_the_least_familiar_of_many_usual_windows_does_not_make_a_picture_s_result_worse() -> None:
    scores = fit_scores(observations(0, 6000), observations(6, 2000, shift=1.5))  # strangers who are not far off
    of = observations(12, 3000)
    parts = scores.strangeness.parts(of.features, of.numbers)
    least_familiar, numbers = parts[np.argmax(scores.surprises(parts))], as_numbers(of.numbers.mean(axis=0))
    usual = np.mean([scores.quality(each, numbers) for each in parts], axis=0)
    as_the_only_one, as_one_of_many = (scores.quality(least_familiar, numbers, count) for count in (1, len(of)))
    assert as_the_only_one[0] < usual[0] - 0.1
    assert as_one_of_many == pytest.approx(usual, abs=0.01)


def test_one_window_that_is_unlike_all_others_makes_it_worse_among_many_too() -> None:
    strange = observations(8, 20, shift=4.0)
    parts = SCORES.strangeness.parts(strange.features, strange.numbers)
    qualities_of_many = [SCORES.quality(each, as_numbers(strange.numbers[0]), 40)[0] for each in parts]
    assert max(qualities_of_many) < observations(8, 200).worth.mean() - 0.2


def test_a_picture_of_many_windows_is_as_surprising_as_the_most_surprising_of_so_many() -> None:
    surprises = RNG.exponential(1.0, (20_000, 30)).max(axis=1)  # of windows, −log of an even share
    of_pictures = np.exp([-surprise_of_least_familiar(each, 30) for each in surprises])
    np.testing.assert_allclose(np.quantile(of_pictures, [0.02, 0.5, 0.9]), [0.02, 0.5, 0.9], atol=0.02)
    assert surprise_of_least_familiar(3.0, 1) == pytest.approx(3.0)


def test_that_nothing_was_found_has_a_quality_of_its_own_where_such_results_were_fitted() -> None:
    of = observations(9, 300, empty=1.0)
    assert set(qualities(SCORES, of)) == {None}  # nothing was fitted of such
    with_empty = fit_scores(observations(4, empty=0.3), STRANGE)
    assert np.mean([quality for quality, _ in qualities(with_empty, of)]) == pytest.approx(0.9, abs=0.06)


def test_small_pictures_are_familiar_where_they_were_fitted_and_change_no_quality() -> None:
    small = observations(21, 1500, shift=1.0)
    with_small = fit_scores(observations(0, 6000), STRANGE, replace(small, worth=np.full(len(small), 0.75)))
    seen = observations(22, 400, shift=1.0)
    assert np.median(familiarity(with_small, seen)) > 2 * np.median(familiarity(SCORES, seen))
    usual = observations(23, 400)
    of_both = [np.array(qualities(scores, usual))[:, 0] for scores in (SCORES, with_small)]
    np.testing.assert_allclose(*of_both, atol=0.05)


def test_odds_are_those_of_the_rows() -> None:
    rows = RNG.normal(0, 1, (20_000, 2))
    are_so = RNG.random(20_000) < 1 / (1 + np.exp(2 - rows[:, 0]))  # the second says nothing
    odds = fit_odds(rows, are_so, np.full(20_000, 1 / 20_000)).of(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    assert odds == pytest.approx([-2, -1, -2], abs=0.15)  # the ridge takes a little off


def test_what_weighs_nothing_changes_no_odds() -> None:
    rows, are_so = RNG.normal(0, 1, (500, 3)), RNG.random(500) < 0.3
    shares = np.repeat([1 / 250, 0.0], 250)
    some, others = (fit_odds(rows, each, shares) for each in (are_so, np.where(shares > 0, are_so, ~are_so)))
    np.testing.assert_allclose(some.weights, others.weights, atol=1e-6)


def test_a_quality_rises_with_its_number_whatever_chance_says() -> None:
    table = fit_quality(RNG.random(600), RNG.random(600), RNG.random(600))
    assert np.all(np.diff(table.means) >= 0)
    assert np.all(np.diff(table.lows) >= 0)
    assert np.all(table.lows <= table.means)
    assert fit_quality(RNG.random(20), RNG.random(20), np.ones(20)).look_up(0.5) is None


def test_scores_survive_being_written_down() -> None:
    again = FittedScores.from_arrays(SCORES.to_arrays())
    seen = observations(5, 50)
    np.testing.assert_allclose(familiarity(again, seen), familiarity(SCORES, seen), rtol=1e-3)
    with pytest.raises(KeyError, match="strange_ranks"):
        FittedScores.from_arrays({k: v for k, v in SCORES.to_arrays().items() if k != "strange_ranks.values"})


def test_a_ranks_table_of_equal_ends_is_no_division_by_zero() -> None:
    assert np.isfinite(Ranks(np.zeros(5), np.arange(5.0)).surprise(np.array([1.0]))).all()


def blocks(rows: int, columns: int, value: float = 2.0) -> tuple[np.ndarray, ...]:
    """Pooled features of familiar windows: mean `value` and deviation 1 before the root is drawn."""
    made = []
    for width in WIDTHS:
        means = np.full((width // 2, rows, columns), value**2)
        made.append(np.concatenate([means, means**2 + 16]).astype(np.float32))
    return tuple(made)


def test_a_window_s_vector_has_the_roots_of_mean_and_deviation_of_its_pixels() -> None:
    pixels = RNG.random((3, 4, 4)).astype(np.float32)  # of one block a pixel
    vectors = window_vectors(np.concatenate([pixels, pixels**2]))
    assert vectors.shape == (9, 6)
    window = pixels[:, 1:3, 2:4].reshape(3, -1)
    np.testing.assert_allclose(vectors[3 * 1 + 2], np.sqrt([*window.mean(1), *window.std(1)]), rtol=1e-4)


def test_the_strangest_window_of_a_large_image_is_named() -> None:
    plan = plan_tiles(1024, 2048)
    witness = Witness(SCORES, plan, 0.5)
    for index in range(len(plan)):
        features = blocks(4, 4)
        if index == 1:
            for depth in features:
                depth[: len(depth) // 2, 3, 3] = 400
                depth[len(depth) // 2 :, 3, 3] = 400**2
        witness.add(index, Answer(np.full((1024, 1024), 40, np.uint8), features))
    verdict = witness.verdict(histogram(np.full((1024, 2048), 40, np.uint8)))
    assert verdict.familiarity < 0.001
    assert verdict.place == Place(512, plan.column_starts[1] + 512)
    assert witness.is_of_large_image


def test_of_many_windows_one_is_strange_by_chance() -> None:
    answer = Answer(np.full((512, 512), 40, np.uint8), blocks(2, 2, 2.6))
    alone = Witness(SCORES, plan_tiles(512, 512), 0.5)
    alone.add(0, answer)
    one_of_many = Witness(SCORES, plan_tiles(4096, 4096), 0.5)
    one_of_many.add(0, answer)
    counts = histogram(answer.levels)
    share = alone.verdict(counts).familiarity
    assert one_of_many.verdict(counts).familiarity == pytest.approx(1 - (1 - share) ** 64)


def test_without_fitted_scores_or_features_nothing_is_known() -> None:
    plan, levels = plan_tiles(512, 512), np.full((512, 512), 200, np.uint8)
    unfitted = Witness(None, plan, 0.5)
    unfitted.add(0, Answer(levels, blocks(2, 2)))
    assert unfitted.verdict(histogram(levels)) == UNKNOWN
    blind = Witness(SCORES, plan, 0.5)
    blind.add(0, Answer(levels))
    assert blind.verdict(histogram(levels)) == UNKNOWN


def test_a_place_ends_where_the_image_does() -> None:
    image = np.arange(600 * 700, dtype=np.float32).reshape(600, 700)
    np.testing.assert_array_equal(cut_out(image, Place(256, 512)), image[256:, 512:])
