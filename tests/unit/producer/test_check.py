"""A look at images before they are submitted: what a worker would say of them, and what to do first."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from producer.check import STEPS, expected_time
from producer.cli import main
from producer.preflight import Preflight
from shared.config import load_settings
from shared.db.migrate import migrate
from shared.errors import ItemErrorCode
from shared.flows.sources import Source
from shared.flows.submission import submit_images
from shared.images.codec import encode_grey
from shared.images.decoded import DecodeLimits
from shared.services import connect
from tests import simulated_worker

PICTURE = np.where(np.indices((40, 50)).sum(axis=0) % 7 < 3, np.uint8(250), np.uint8(5))
# What a worker says of an image's job or its own state; nothing to be seen in a file.
_LATER = list(ItemErrorCode)[list(ItemErrorCode).index(ItemErrorCode.MODEL_UNAVAILABLE) :]


@pytest.fixture
def folder(own_home: Path) -> Path:
    folder = own_home / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(encode_grey(PICTURE))
    tifffile.imwrite(folder / "s.tif", np.stack([PICTURE, 255 - PICTURE]).astype(np.uint16), photometric="minisblack")
    (folder / "tiny.png").write_bytes(encode_grey(PICTURE[:8, :8].copy()))
    (folder / "cut.png").write_bytes(encode_grey(PICTURE)[:-40])
    (folder / "empty.tif").touch()
    (folder / "notes.txt").write_text("none")
    return folder


def test_a_folder_is_looked_at_and_nothing_is_sent(folder: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(folder), "--json"])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert (found["images"], found["usable"], found["copies"], found["seconds"]) == (6, 3, 1, None)
    assert found["notes"] == {"pages": 1}
    kinds = {(kind["format"], kind["channels"], kind["bits"]): kind["images"] for kind in found["kinds"]}
    assert kinds == {("PNG", "grey", 8): 2, ("TIFF", "grey", 16): 1}
    assert found["sizes"] == [{"width": 50, "height": 40, "images": 3}]
    problems = {problem["code"]: problem["examples"][0]["path"] for problem in found["problems"]}
    assert problems == {"empty_file": "empty.tif", "too_small": "tiny.png", "truncated": "cut.png"}
    assert found["bytes"] == sum(file.stat().st_size for file in folder.iterdir() if file.suffix != ".txt")
    assert not (folder.parent / "objects").exists()

    said = CliRunner().invoke(main, ["check", str(folder), "--pages", "all", "--exclude", "cut*", "--exclude", "e*"])
    text = " ".join(said.output.split())
    assert "too_small: --exclude them, or submit the pictures that they are thumbnails of" in text
    assert "copies: 1 image with the very bytes of another, b.png = a.png" in text
    assert "4 images can be segmented, 1 would fail" in text
    assert "time: not known, for no stack answers" in text

    clean = CliRunner().invoke(main, ["check", str(folder / "a.png")])
    assert clean.exit_code == 0
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


def test_a_large_image_is_looked_at_too() -> None:
    sources = [
        Source("large.png", lambda: encode_grey(np.tile(PICTURE, (60, 50)))),
        Source("beyond.png", lambda: encode_grey(np.tile(PICTURE, (2, 90)))),
    ]
    found = Preflight(DecodeLimits(16, 4000), seconds=30.0, channel="auto").run(sources)
    assert dict(found.shapes) == {(2500, 2400): 1}
    assert found.problems[ItemErrorCode.TOO_LARGE].examples[0][0] == "beyond.png"


def test_time_is_told_by_the_newest_rate_and_what_waits(folder: Path) -> None:
    services = connect(load_settings())
    migrate(services.database)
    services.store.prepare()
    sources = [Source(f"{number}.png", lambda: encode_grey(PICTURE)) for number in range(4)]
    assert expected_time(services, 10) == ("time: not known until a first job has run here", None)
    done = submit_images(services, sources, name="done", submitted_by="me")
    simulated_worker.process(services, done)
    rate = 4 / services.repository.worked_seconds(services.repository.job(done))
    submit_images(services, sources[:3], name="waits", submitted_by="me")
    words, seconds = expected_time(services, 10)
    assert seconds == pytest.approx(13 / rate, rel=0.01)
    assert f"the rate of job {done}, after 3 images that wait already" in words
    services.close()


def test_every_failure_of_a_file_has_a_next_step() -> None:
    assert set(STEPS) == set(ItemErrorCode) - set(_LATER)
    assert all("\n" not in step for step in STEPS.values())
