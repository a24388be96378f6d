"""One image in, its mask out, for scripts and people who wait."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from producer import segment as module
from producer.segment import STANDARD, Asked, image_of, segment, write
from shared.errors import ItemError, UsageError
from shared.flows.submission import Source
from shared.images.codec import encode_grey
from shared.jobs.records import Job, Priority, Unfamiliar
from shared.jobs.state import JobStatus
from shared.services import Services
from tests import simulated_worker

PICTURE = np.where(np.indices((40, 50)).sum(axis=0) % 7 < 3, np.uint8(250), np.uint8(5))
ASKED = Asked(1.0, Unfamiliar.FLAG, "auto", 60.0)


@pytest.fixture
def services(own_services: Services) -> Services:
    return own_services


def newest(services: Services) -> Job:
    return services.repository.jobs(limit=1)[0]


def test_a_file_becomes_its_mask_before_all_others(services: Services, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(encode_grey(PICTURE))
    image = image_of(tmp_path / "in.png", 10**6)

    def work(_seconds: float) -> None:
        simulated_worker.process(services, newest(services).id)

    item, png = segment(services, image, ASKED, sleep=work)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.where(PICTURE > 128, 255, 0))
    assert Image.open(io.BytesIO(png)).mode == "L"
    assert (item.path, newest(services).priority) == ("in.png", Priority.HIGH)
    write(tmp_path / "out.png", png)
    assert (tmp_path / "out.png").read_bytes() == png
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        write(tmp_path / "none" / "out.png", png)
    bad = image_of(Path(__file__), 10**6)
    with pytest.raises(ItemError) as refused:
        segment(services, bad, ASKED, sleep=work)
    assert refused.value.code == "not_an_image"


def test_what_is_not_done_in_time_is_cancelled_and_said(services: Services) -> None:
    image = Source("a.png", lambda: encode_grey(PICTURE))
    with pytest.raises(UsageError, match=r"not done within 0.01 s, and cancelled: no worker is running"):
        segment(services, image, Asked(1.0, Unfamiliar.FLAG, "auto", 0.01))
    assert newest(services).state is JobStatus.CANCELLED


def test_standard_input_is_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: not data))

    given(b"12345")
    assert image_of(STANDARD, 5).read() == b"12345"
    given(b"123456")
    with pytest.raises(UsageError, match="more than 5 bytes"):
        image_of(STANDARD, 5)
    given(b"")
    with pytest.raises(UsageError, match="standard input is a terminal"):
        image_of(STANDARD, 5)
    with pytest.raises(UsageError, match=r"none.png: the file is gone"):
        image_of(Path("/nowhere/none.png"), 5)
    assert Path("-") == module.STANDARD
