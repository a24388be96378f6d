"""Reviewed results as training data, and the whole way: a correction ends in a model that is better on its image."""

import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import update

from shared.db.model_registry import ModelRegistry
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow
from shared.errors import JobNotFound, UsageError
from shared.flows.exports.corrections import EXPORT, PAIRS_CSV
from shared.flows.exports.export import StoredFile
from shared.flows.exports.job_results import JobResults
from shared.images.channel_choice import AUTO
from shared.images.codec import decode_mask, encode_grey, encode_mask
from shared.images.decoded import DecodeLimits
from shared.images.metrics import dice
from shared.images.scale import with_scale
from shared.jobs.grades import Grade
from shared.jobs.records import Item, NewItem
from shared.jobs.reviews import Reviews
from shared.jobs.state import JobKind
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, load_checkpoint, save_checkpoint
from shared.net.predictor import Predictor
from shared.services import Services
from shared.store import keys
from tests.outcomes import success
from tests.unit.training.conftest import run_tiny
from training import publish
from training.data.config import DataConfig
from training.data.job import JobData, fetch_job_pairs, find_job_pairs, job_definition, split_job_pairs
from training.data.pairs.survey import survey
from training.data.source import NoiseLevel, Process

SIDE = 256
NET = {"base": 4, "levels": 3, "stem": 4, "likelihood": False}
ALONE = Process(seed=0, batch_size=8, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def services(own_services: Services) -> Services:
    return own_services


def scene(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A disc that is a little brighter than its ground, under noise."""
    rng = np.random.default_rng(seed)
    row, column = np.indices((SIDE, SIDE)) - rng.integers(90, 166, size=2)[:, None, None]
    mask = np.hypot(row, column) < 60
    return np.clip(rng.normal(90 + 80 * mask, 25), 0, 255).astype(np.uint8), mask


@pytest.fixture
def items(services: Services) -> list[Item]:
    """Results of a job, whose masks are all empty."""
    return results_of(services, [encode_grey(scene(number)[0]) for number in range(6)])


def results_of(services: Services, sources: list[bytes], channel: str = AUTO) -> list[Item]:
    job = services.repository.create_job(JobKind.IMAGES, name="job", submitted_by="ana", channel=channel)
    new = []
    for number, source in enumerate(sources):
        item_id = new_id()
        key = keys.source(job, item_id, ".png")
        services.store.put(key, source)
        new.append(NewItem(id=item_id, path=f"scan/{number}.png", source_key=key))
    shard = services.repository.add_shard(job, new)
    services.repository.seal(job)
    claim = services.claims.claim(shard, worker="w")
    assert claim is not None
    for item in claim.items:
        services.store.put(keys.mask(job, item.id), encode_mask(np.zeros((SIDE, SIDE), dtype=bool)))
    results = [success(each.id, mask_key=keys.mask(job, each.id), width=SIDE, height=SIDE) for each in claim.items]
    services.claims.complete(claim, results)
    services.repository.close_if_finished(job)
    return services.repository.items(job, limit=9)


def correct(services: Services, item: Item) -> None:
    key = keys.correction(item.job_id, item.id, new_id())
    services.store.put(key, encode_mask(scene(item.number)[1]))
    Reviews(services.database).correct(item.job_id, item.id, key, by="kim")


def test_what_was_accepted_or_corrected_is_a_pair(services: Services, items: list[Item]) -> None:
    reviews = Reviews(services.database)
    job = items[0].job_id
    config = DataConfig(kind="job")
    with pytest.raises(UsageError, match="0 images were accepted or corrected, and training needs two"):
        find_job_pairs(services, config)
    for number, grade in ((0, Grade.ACCEPTED), (1, Grade.REJECTED), (2, Grade.UNSURE), (4, Grade.REJECTED)):
        reviews.grade(job, items[number].id, grade, by="ana")
    correct(services, items[3])
    correct(services, items[4])
    correct(services, items[5])
    reviews.grade(job, items[5].id, Grade.REJECTED, by="ana")
    pairs = {pair.path: pair.is_corrected for pair in find_job_pairs(services, config)}
    assert pairs == {"scan/0.png": False, "scan/3.png": True, "scan/4.png": True}
    assert {item.path for item in items if services.repository.item(item.id).review.teaches} == pairs.keys()
    assert pairs.keys() == {pair.path for pair in find_job_pairs(services, DataConfig(kind="job", jobs=(job,)))}
    with pytest.raises(JobNotFound, match="no job's id ends in"):
        find_job_pairs(services, DataConfig(kind="job", jobs=("0000",)))
    before = job_definition(config)
    assert before["values"] == {"pairs": 3, "corrected": 2}
    correct(services, items[3])
    assert job_definition(config)["sha256"] != before["sha256"]


def test_the_export_is_a_folder_that_training_reads(services: Services, items: list[Item], tmp_path: Path) -> None:
    reviews = Reviews(services.database)
    reviews.grade(items[0].job_id, items[0].id, Grade.ACCEPTED, by="ana")
    reviews.grade(items[0].job_id, items[1].id, Grade.REJECTED, by="ana")
    correct(services, items[2])
    folder = tmp_path / "pairs"
    for file in EXPORT.files(JobResults(services.repository, services.store, services.repository.job(items[0].job_id))):
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = file.read(services.store) if isinstance(file, StoredFile) else b"".join(file.blocks())
        path.write_bytes(data)
    rows = list(csv.DictReader((folder / PAIRS_CSV).read_text().splitlines()))
    assert {row["scale"] for row in rows} == {"1"}
    assert [(row["name"], row["path"], row["mask"], row["reviewer"]) for row in rows] == [
        ("scan__0", "scan/0.png", "accepted", "ana"),
        ("scan__2", "scan/2.png", "corrected", "kim"),
    ]
    found = survey(DataConfig(kind="folder", folder=folder)).check()
    shares = {facts.pair.name: facts.foreground for facts in found.facts}
    assert shares == {"scan__0": 0.0, "scan__2": pytest.approx(scene(2)[1].mean())}


def test_held_out_stays_held_out_while_corrections_come_in(services: Services, items: list[Item]) -> None:
    held_out: set[str] = set()
    trained: set[str] = set()
    for number, item in enumerate(items):
        correct(services, item)
        if number > 0:
            pairs = find_job_pairs(services, DataConfig(kind="job"))
            training, scored = split_job_pairs(pairs, 0.5)
            assert training
            assert scored
            if len({pair.place < 0.5 for pair in pairs}) == 1:
                continue  # the hash alone would leave one side empty
            assert {pair.path for pair in training} >= trained
            assert {pair.path for pair in scored} >= held_out
            trained, held_out = {pair.path for pair in training}, {pair.path for pair in scored}
    for share in (0.001, 0.999):  # one on either side at least
        assert all(split_job_pairs(find_job_pairs(services, DataConfig(kind="job")), share))


def test_an_image_is_what_the_network_saw_of_it_and_one_that_cannot_be_used_stops_no_other(
    services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coloured, stack = BytesIO(), BytesIO()
    colours = np.stack([scene(number)[0] for number in range(3)], axis=-1)
    Image.fromarray(colours).save(coloured, "PNG")
    tifffile.imwrite(stack, np.stack([colours, colours[..., ::-1] // 2]), photometric="rgb")
    items = results_of(
        services, [coloured.getvalue(), stack.getvalue(), b"no image", *[coloured.getvalue()] * 6], "green"
    )
    for item in items:
        correct(services, item)
    config = DataConfig(kind="job", size=64, samples=8, validation_share=0.5)
    pairs = find_job_pairs(services, config)
    usable = fetch_job_pairs(services, pairs, tmp_path / "pairs")
    assert capsys.readouterr().out == "note: of 9 pairs 1 cannot be used, and are left out: 1 × not_an_image\n"
    assert {pair.path for pair in usable} == {item.path for item in items if item.number != 2}
    for pair in usable:
        np.testing.assert_array_equal(np.load(tmp_path / "pairs" / "images" / f"{pair.name}.npy"), scene(1)[0])
    source = JobData(config, ALONE)
    assert len(source.training) + len(source.held_out) == 8

    # Where a side has nothing left, what was held out would be trained on, or the other way round.
    for pair in pairs:
        if pair.place < 0.5:
            services.store.delete([pair.image_key])
    with pytest.raises(UsageError, match="too few of the reviewed pairs can be used"):
        JobData(config, ALONE)


def test_a_pair_has_the_scale_at_which_it_was_segmented(services: Services, items: list[Item], tmp_path: Path) -> None:
    at_half = ItemRow.number < 3
    with services.database.write() as connection:
        told = with_scale("standardise-v2", 0.5) + ", channel green"
        connection.execute(update(ItemRow).where(at_half).values(preprocessing=told))
    for item in items:
        correct(services, item)
    pairs = fetch_job_pairs(services, find_job_pairs(services, DataConfig(kind="job")), tmp_path)
    assert sorted(pair.scale for pair in pairs) == [0.5] * 3 + [1.0] * 3
    for pair in pairs:
        pixels = np.load(tmp_path / "images" / f"{pair.name}.npy")
        mask = decode_mask((tmp_path / "masks" / f"{pair.name}.png").read_bytes())
        side = round(SIDE * pair.scale)
        assert pixels.shape == mask.shape == (side, side)
        number = next(item.number for item in items if item.path == pair.path)
        assert mask.mean() == pytest.approx(scene(number)[1].mean(), rel=0.1)


def test_a_pair_too_large_at_its_scale_is_left_out(
    services: Services,
    items: list[Item],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("training.data.job.LIMITS", DecodeLimits(min_side=16, max_side=2 * SIDE))
    for number, scale in enumerate((2.0, 2.01, 0.05)):
        with services.database.write() as connection:
            told = {"preprocessing": with_scale("standardise-v2", scale)}
            connection.execute(update(ItemRow).where(ItemRow.number == number).values(told))
    for item in items:
        correct(services, item)
    pairs = fetch_job_pairs(services, find_job_pairs(services, DataConfig(kind="job")), tmp_path)
    assert sorted(pair.scale for pair in pairs) == [1.0, 1.0, 1.0, 2.0]
    told_of = capsys.readouterr().out
    assert "of 6 pairs 2 cannot be used, and are left out" in told_of
    assert "1 × too_large at its scale" in told_of
    assert "1 × too_small at its scale" in told_of


def test_a_share_of_the_samples_are_scenes(services: Services, items: list[Item]) -> None:
    for item in items:
        correct(services, item)

    def batches(share: float) -> list[torch.Tensor]:
        config = DataConfig(kind="job", size=64, samples=32, scene_share=share)
        source = JobData(config, ALONE)
        return [batch.images for batch in source.batches(1, NoiseLevel())]

    pure, mixed, again = batches(0.0), batches(0.5), batches(0.5)
    changed = [
        not torch.equal(*both) for one, other in zip(pure, mixed, strict=True) for both in zip(one, other, strict=True)
    ]
    assert 8 <= sum(changed) <= 24
    assert all(torch.equal(one, other) for one, other in zip(mixed, again, strict=True))


def test_a_correction_ends_in_a_model_that_is_better_on_its_image(
    services: Services, items: list[Item], tmp_path: Path, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    start = tmp_path / "start"
    save_checkpoint(start, build("attention_unet", NET), Metadata("attention_unet", NET))
    assert publish.main(["--checkpoint", str(start), "--activate"]) == 0
    for item in items:
        correct(services, item)

    out = tmp_path / "reviewed"
    arguments = "model.arguments={base: 4, levels: 3, stem: 4, likelihood: false}"
    data = "data={kind: job, size: 64, samples: 160, scene_share: 0.2, validation_share: 0.5}"
    scores = "familiarity={scenes: 200}"  # of which there are not so many
    run = (arguments, data, "budget={epochs: 10}", "curriculum={severity: 0.2}", "watch.grace_images=100000", scores)
    assert run_tiny(out, *run, "loss={alpha: 1.0, beta: 1.0}", init=start) == 0
    assert "note: results of this model get no quality and familiarity: the data has " in capsys.readouterr().out
    assert publish.main(["--checkpoint", str(out), "--name", "reviewed", "--activate"]) == 0
    assert "the active model start has" in capsys.readouterr().out
    registry = ModelRegistry(services.database, services.store)
    active = registry.active()
    assert active is not None
    assert active.name == "reviewed"

    training, _ = split_job_pairs(find_job_pairs(services, DataConfig(kind="job")), 0.5)
    image, mask = scene(next(item.number for item in items if item.path == training[0].path))
    before, after = (
        dice(predictor.predict_image(image.astype(np.float32)) >= predictor.threshold, mask)
        for predictor in map(Predictor.load, (start, out))
    )
    assert after > before + 0.1

    # What is worse on the held-out pairs is entered, and not activated unless that is wanted.
    worse = tmp_path / "worse"
    save_checkpoint(worse, build("attention_unet", NET), load_checkpoint(out).metadata)
    assert publish.main(["--checkpoint", str(worse), "--activate"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not activated, since it is worse: Dice ")
    assert line.endswith("--force activates it all the same")
    assert registry.active() == active
    assert publish.main(["--checkpoint", str(worse), "--activate", "--force"]) == 0
    assert registry.active() != active
