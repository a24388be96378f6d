import csv
import gc
import io
import re
import zipfile
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.pages import forms
from admin.web.delivery.uploads import relative_path
from shared.db.model_registry import ModelRegistry
from shared.flows.exports.names import output_names
from shared.formulas import begins_formula, original
from shared.images.codec import encode_grey
from shared.images.scale import AUTO_SCALE
from shared.jobs.records import Item, Priority
from shared.jobs.state import JobKind
from shared.pixel_size import PixelSize
from shared.portable import folded
from shared.services import Services
from shared.synth import DEFINITIONS, NOISE_LABELS, synthesise
from tests import simulated_worker
from tests.unit.admin.conftest import Browser

VALID = {"name": "sweep", "count": "5", "seed": "3", "severity_from": "0.25", "severity_to": "0.75", "noise": ""}


def test_a_synthetic_job_is_what_the_form_says(browser: Browser, services: Services) -> None:
    answer = browser.submit("/new/synthetic", VALID | {"num_dots": "30", "jitter": "0.01", "noise": "speckle"})
    job = services.repository.jobs(limit=1)[0]
    assert answer.location == f"/jobs/{job.id}"
    assert (job.kind, job.name, job.submitted_by) == (JobKind.SYNTHETIC, "sweep", "ana (web)")
    items = services.repository.items(job.id, limit=10)
    assert [item.synthesis["severity"] for item in items] == [0.25, 0.375, 0.5, 0.625, 0.75]
    assert {(i.synthesis["num_dots"], i.synthesis["jitter"], i.synthesis["noise"]) for i in items} == {
        (30, 0.01, "speckle")
    }
    assert "Started with 5 images." in browser.get(answer.location).text


@pytest.mark.parametrize(("count", "priority"), [("8", Priority.HIGH), ("9", Priority.NORMAL)])
def test_a_few_images_go_before_the_batches(
    browser: Browser, services: Services, count: str, priority: Priority
) -> None:
    browser.submit("/new/synthetic", VALID | {"count": count, "num_dots": "", "jitter": ""})
    assert services.repository.jobs(limit=1)[0].priority == priority


def test_what_is_left_empty_is_drawn_for_each_image(browser: Browser, services: Services) -> None:
    browser.submit("/new/synthetic", VALID | {"name": "", "num_dots": "", "jitter": ""})
    job = services.repository.jobs(limit=1)[0]
    assert job.name == "synthetic"
    synthesis = services.repository.items(job.id, limit=1)[0].synthesis
    assert synthesis["num_dots"] is synthesis["jitter"] is synthesis["noise"] is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("count", "0", "Use a number from 1 to 10,000."),
        ("count", "10001", "Use a number from 1 to 10,000."),
        ("count", "", "Give a number."),
        ("count", "many", "Not a valid integer value."),
        ("count", "9" * 5000, "Not a valid integer value."),
        ("seed", "-1", "Use a number from 0"),
        ("seed", str(2**53), "Use a number from 0"),
        ("num_dots", "0", "Use a number from 1 to 1,000."),
        ("jitter", "0.3", "Use a number from 0 to 0.2."),
        ("jitter", "nan", "Use a number from 0 to 0.2."),
        ("severity_from", "-0.1", "Use a number from 0 to 1."),
        ("severity_to", "inf", "Use a number from 0 to 1."),
        ("severity_to", "0.1", "not smaller than the one it starts from"),
        ("noise", "loud", "Not a valid choice."),
        ("definition", "dotblob-v0", "Not a valid choice."),
        ("name", "x" * 201, "Use at most 200 characters."),
    ],
)
def test_a_wrong_value_is_named_beside_its_field(
    browser: Browser, services: Services, field: str, value: str, message: str
) -> None:
    answer = browser.submit("/new/synthetic", VALID | {field: value})
    assert answer.status_code == 400
    assert message in answer.text.split(f'id="{field}-error"')[1].split("</p>")[0]
    assert services.repository.jobs(limit=1) == []


def test_every_kind_of_noise_can_be_chosen(browser: Browser) -> None:
    page = browser.get("/new/synthetic").text
    assert all(f'value="{kind}">{label}<' in page for kind, label in NOISE_LABELS.items())


def test_every_definition_can_be_chosen(browser: Browser, services: Services) -> None:
    page = browser.get("/new/synthetic").text
    assert all(f'value="{name}"' in page for name in DEFINITIONS)
    browser.submit("/new/synthetic", VALID | {"definition": "dotblob-v1"})
    items = services.repository.items(services.repository.jobs(limit=1)[0].id, limit=10)
    assert {(item.synthesis or {})["definition"] for item in items} == {"dotblob-v1"}


def test_both_forms_offer_the_models_and_take_one(browser: Browser, services: Services, png: bytes) -> None:
    registry = ModelRegistry(services.database, services.store)
    assert "Each worker’s own; none is active" in browser.get("/new/upload").text
    nuclei, coins = (
        registry.publish(name.encode(), b"{}", name=name, summary={}, by="ana").sha256 for name in ("nuclei", "coins")
    )
    registry.activate(coins, by="ana")
    asked = {"model": nuclei, "threshold": "0.25"}
    for page, more in (
        ("/new/upload", {"images": (io.BytesIO(png), "a.png")}),
        ("/new/synthetic", VALID),
    ):
        form = browser.get(page).text
        assert f"The active one: coins ({coins[:12]})" in form
        assert f'<option value="{nuclei}">nuclei ({nuclei[:12]})</option>' in form
        assert browser.submit(page, more | asked).status_code == 302
        [job, *_] = services.repository.jobs(limit=9)
        assert (job.model, job.threshold) == (nuclei, 0.25)
        shown = browser.get(f"/jobs/{job.id}").text
        assert f'<bdi>nuclei</bdi> <code title="{nuclei}">' in shown
        assert "<dt>Threshold</dt><dd>0.25</dd>" in shown
    for wrong in ({"model": "0" * 64}, {"threshold": "1"}, {"threshold": "nan"}):
        assert browser.submit("/new/synthetic", VALID | wrong).status_code == 400
    browser.submit("/new/synthetic", VALID)
    assert services.repository.jobs(limit=1)[0].model == coins


@pytest.mark.parametrize(("written", "scale"), [("", 1.0), ("0.25", 0.25), ("Auto", AUTO_SCALE)])
def test_the_scale_of_an_upload_is_a_number_or_auto(
    browser: Browser, services: Services, png: bytes, written: str, scale: float
) -> None:
    browser.submit("/new/upload", {"scale": written, "images": [(io.BytesIO(png), "a.png")]})
    assert services.repository.jobs(limit=1)[0].scale == scale


def test_another_scale_is_said_to_be_wrong_beside_its_field(browser: Browser, png: bytes) -> None:
    answer = browser.submit("/new/upload", {"scale": "9", "images": [(io.BytesIO(png), "a.png")]})
    assert answer.status_code == 400
    assert "Scale is 9: give 0.1 to 4, 1 to leave images as they are, or auto." in answer.text


def test_what_an_upload_says_of_pixels_and_masks(browser: Browser, services: Services, png: bytes) -> None:
    asked = {"pixel_size": "0.5 x 0.6 µm", "smooth": "2", "fill_holes": "y", "min_area": "30", "keep_largest": "y"}
    browser.submit("/new/upload", asked | {"images": [(io.BytesIO(png), "a.png")]})
    job = services.repository.jobs(limit=1)[0]
    assert job.pixel_size == PixelSize(0.5, 0.6)
    assert job.postprocessing == "smooth=2 fill-holes min-area=30 keep-largest"
    browser.submit("/new/upload", dict.fromkeys(asked, "") | {"images": [(io.BytesIO(png), "a.png")]})
    job = services.repository.jobs(limit=1)[0]
    assert (job.pixel_size, job.postprocessing) == (None, "")
    assert not re.search(r"<details[^>]*of-masks[^>]*open", browser.get("/new/upload").text)
    wrong = browser.submit(
        "/new/upload", {"pixel_size": "0.65", "smooth": "21", "images": [(io.BytesIO(png), "a.png")]}
    )
    assert wrong.status_code == 400
    assert re.search(r"<details[^>]*of-masks[^>]*open", wrong.text)  # what is wrong is not folded away
    for field, words in (("pixel_size", "give a number and nm, um or mm"), ("smooth", "from 0 to 20")):
        assert words in wrong.text.split(f'id="{field}-error"')[1].split("</p>")[0]


def upload(browser: Browser, *files: tuple[bytes, str], name: str = "") -> tuple[int, str]:
    data = {"name": name, "images": [(io.BytesIO(content), filename) for content, filename in files]}
    answer = browser.submit("/new/upload", data)
    return answer.status_code, answer.location or answer.text


def uploaded(services: Services) -> list[Item]:
    return services.repository.items(services.repository.jobs(limit=1)[0].id, limit=100)


@pytest.fixture(scope="session")
def png() -> bytes:
    return encode_grey(synthesise(1, size=96).image)


def test_uploaded_images_are_processed_and_bad_ones_fail_alone(
    browser: Browser, services: Services, png: bytes
) -> None:
    large = b"\x89PNG" + bytes(services.settings.max_source_bytes)
    status, address = upload(
        browser, (png, "a.png"), (b"", "empty.png"), (b"text", "b.tif"), (large, "c.png"), name="mine"
    )
    assert status == 302
    simulated_worker.process(services, address.rpartition("/")[2])
    assert [(item.path, item.error_code) for item in uploaded(services)] == [
        ("a.png", None),
        ("empty.png", "empty_file"),
        ("b.tif", "not_an_image"),
        ("c.png", "too_many_bytes"),
    ]
    assert services.store.get(uploaded(services)[0].source_key or "") == png
    assert services.repository.jobs(limit=1)[0].name == "mine"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\ana\\scan.png", "Users/ana/scan.png"),
        ("..\\..\\scan.png", "scan.png"),
        ("a/./b/../c.png", "a/b/c.png"),
        ("....", "image"),
        ("nul\0byte.png", "nulbyte.png"),
        ("line\r\nbreak.png", "linebreak.png"),
        ("  spaced .png ", "spaced .png"),
        ("ünï 漢字 🦠.png", "ünï 漢字 🦠.png"),
        ("half\ud800.png", "half.png"),
        ("not utf-8 \udcff\udcfe.png", "not utf-8 .png"),
        ("\u202egnp.exe.png", "gnp.exe.png"),
        ("a\u200eb\u2066c\u2069.png", "abc.png"),
        ("CON.png", "CON.png"),
        ("what? a:b.png", "what? a:b.png"),
        ("C:scan.png", "C:scan.png"),
        ("//server/share/x.png", "server/share/x.png"),
        ("\\\\?\\C:\\x.png", "?/x.png"),
        ("%2e%2e%2fx.png", "%2e%2e%2fx.png"),
        ("x" * 5000 + ".tiff", "x" * 195 + ".tiff"),
        ("漢" * 100 + ".png", "漢" * 65 + ".png"),
        ("a/" * 50 + "x.png", "a/" * 7 + "x.png"),
    ],
)
def test_names_never_become_paths(sent: str, kept: str) -> None:
    assert relative_path(sent) == kept


@given(st.text(st.characters(codec=None), max_size=600))
def test_every_name_becomes_a_path_that_a_download_takes(name: str) -> None:
    path = relative_path(name)
    assert output_names([path])
    assert not PurePosixPath(path).is_absolute()
    assert all(0 < len(part.encode()) <= 200 and part not in (".", "..") for part in path.split("/"))
    assert path.isprintable() or not any(ord(character) < 32 for character in path)


def test_hostile_names_through_the_form(browser: Browser, services: Services, png: bytes) -> None:
    names = ["../../x.png", "/x.png", "x.png", "<script>.png", "a" * 3000 + ".png", "ünï 漢字.png"]
    status, _ = upload(browser, *((png, name) for name in names))
    assert status == 302
    items = uploaded(services)
    assert [item.path for item in items] == [
        "x.png", "x (2).png", "x (3).png", "<script>.png", "a" * 196 + ".png", "ünï 漢字.png",
    ]  # fmt: skip
    # Keys are made of ids alone.
    assert all(item.source_key == f"jobs/{item.job_id}/source/{item.id}.png" for item in items)


def test_uploaded_names_leave_in_a_form_that_opens_anywhere(browser: Browser, services: Services, png: bytes) -> None:
    names = ["A.png", "a.png", "e\u0301.png", "\u00e9.png", "t 12:30.png", "con.png", "=1+1.png", "-1.png", "x?/y*.png"]
    _, address = upload(browser, *((png, name) for name in names))
    simulated_worker.process(services, address.rpartition("/")[2])
    with zipfile.ZipFile(io.BytesIO(browser.get(f"{address}/results.zip").data)) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("results.csv"), "utf-8", newline="")))
        masks = [name.removeprefix("masks/") for name in archive.namelist() if name.startswith("masks/")]
    assert [original(row["path"]) for row in rows] == names
    assert [row["file"] for row in rows] == masks
    assert masks[4:] == ["t 12_30.png", "_con.png", "_=1+1.png", "_-1.png", "x_/y_.png"]
    assert len({folded(name) for name in masks}) == len(names)
    assert not any(begins_formula(row[column]) and row[column][0] != "'" for row in rows for column in row)


def test_nothing_chosen(browser: Browser, services: Services) -> None:
    for files in ((), ((b"", ""),)):
        status, page = upload(browser, *files)
        assert status == 400
        assert "Choose at least one image." in page
    assert services.repository.jobs(limit=1) == []


def test_too_many_files(browser: Browser, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "MAX_FILES", 2)
    status, page = upload(browser, *((png, f"{n}.png") for n in range(3)))
    assert status == 400
    assert "Choose at most 2 images" in page


# Werkzeug leaves the files of a form that it gives up on to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_more_parts_than_a_form_may_have(browser: Browser) -> None:
    status, page = upload(browser, *((b"x", f"{n}.png") for n in range(forms.MAX_FILES + 50)))
    gc.collect()
    assert status == 413
    assert "Too much at once" in page


@pytest.mark.parametrize("field", ["seed", "count", "num_dots", "severity_from", "jitter"])
def test_a_number_of_any_length_is_a_wrong_value(browser: Browser, services: Services, field: str) -> None:
    for digits in (310, 4000):
        answer = browser.submit("/new/synthetic", VALID | {field: "9" * digits})
        assert answer.status_code == 400
        assert 'class="wrong"' in answer.text
    assert services.repository.jobs(limit=1) == []


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_form_that_is_sent_twice_is_one_job(browser: Browser, services: Services, png: bytes) -> None:
    for address, form in (("/new/synthetic", VALID), ("/new/upload", {"name": ""})):
        page = browser.get(address).text
        key = hidden(page, "request_key")
        assert key != hidden(browser.get(address).text, "request_key")
        before = len(services.repository.jobs(limit=10))
        files = {"images": (io.BytesIO(png), "a.png")} if "upload" in address else {}
        first = browser.submit(address, form | files | {"request_key": key})
        files = {"images": (io.BytesIO(png), "a.png")} if "upload" in address else {}
        second = browser.submit(address, form | files | {"request_key": key})
        assert first.location == second.location
        assert len(services.repository.jobs(limit=10)) == before + 1
        assert "This form was sent already" in browser.get(second.location).text


def test_a_form_that_was_wrong_keeps_its_key(browser: Browser, services: Services) -> None:
    key = hidden(browser.get("/new/synthetic").text, "request_key")
    answer = browser.submit("/new/synthetic", VALID | {"count": "0", "request_key": key})
    assert hidden(answer.text, "request_key") == key
    assert browser.submit("/new/synthetic", VALID | {"request_key": key}).status_code == 302


def test_a_form_of_an_earlier_session_keeps_what_was_filled_in(browser: Browser, services: Services) -> None:
    answer = browser.client.post("/new/synthetic", data=VALID | {"name": "my sweep", "csrf_token": "of another"})
    assert answer.status_code == 400
    assert 'value="my sweep"' in answer.text
    assert "It is as you filled it in" in answer.text
    assert services.repository.jobs(limit=1) == []


def test_an_upload_of_nothing_but_too_large_files_is_refused(browser: Browser, services: Services) -> None:
    large = bytes(services.settings.max_source_bytes + 1)
    status, page = upload(browser, (large, "a.png"))
    assert status == 413
    assert "larger than 262,144 bytes" in page
    assert services.repository.jobs(limit=1) == []


def test_a_name_keeps_nothing_that_turns_text_round(browser: Browser, services: Services) -> None:
    browser.submit("/new/synthetic", VALID | {"name": " a\u202eb\x9b\u2028c "})
    assert services.repository.jobs(limit=1)[0].name == "abc"
