import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from shared.flows.exports.marker import MARKER, ResultsMarker, read_marker
from shared.services import Services
from tests.integration.producer.conftest import COMMAND, Producer

ODD_NAMES = (
    "plain.jpg",
    "sub/plain.jpg",
    "two words.tif",
    "quo\"te'.png",
    "line\nbreak\r.png",
    "ünïcödé \U0001f600.webp",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    for name in ODD_NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"fine")
    return folder


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {MARKER}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def one_json(result: Result) -> dict:
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_submit_wait_and_download(worker: None, producer: Producer, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = producer("submit", folder, "--recursive", "--to", out)
    assert result.exit_code == 0, result.stderr
    assert "succeeded" in result.stdout
    names = {row["file"] for row in rows(out)}
    assert names == {
        "plain.png", "sub/plain.png", "two words.png", "quo_te'.png", "line_break_.png", "ünïcödé \U0001f600.png"
    }  # fmt: skip
    results = {f"{kind}/{name}" for kind in ("masks", "probabilities") for name in names}
    assert files(out) == {"results.csv", "manifest.json", *results}
    assert {row["path"] for row in rows(out)} == set(ODD_NAMES)
    mask = pixels(out / "masks" / "sub" / "plain.png")
    assert (mask.dtype, mask.shape, set(np.unique(mask))) == (np.uint8, (20, 30), {0, 255})
    # Not on a terminal: a few lines on standard error, and no bar.
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["submitting", "submitted", "results"]


def test_a_job_gets_its_priority(services: Services, producer: Producer, folder: Path) -> None:
    said = [one_json(producer(*command, "--json")) for command in (
        ("submit", folder), ("submit", folder, "--priority", "low"), ("demo", "--count", "1", "--priority", "HIGH")
    )]  # fmt: skip
    assert [job["priority"] for job in said] == [0, -1, 1]
    assert [services.repository.job(job["job"]).priority for job in said] == [0, -1, 1]
    assert producer("submit", folder, "--priority", "highest").exit_code == 2


def test_some_failed(worker: None, producer: Producer, folder: Path, tmp_path: Path) -> None:
    (folder / "bad.png").write_bytes(b"bad")
    (folder / "out.png").symlink_to("/etc/passwd")
    result = producer("submit", folder, "--wait", "--to", tmp_path / "out", "--json")
    assert result.exit_code == 1
    value = one_json(result)
    assert value["state"] == "partial"
    assert value["counts"] == {
        "total": 7, "pending": 0, "running": 0, "succeeded": 5, "failed": 2, "cancelled": 0
    }  # fmt: skip
    assert value["summary"]["failures"]["not_an_image"] == {
        "count": 1, "examples": [{"path": "bad.png", "error": "no image"}]
    }  # fmt: skip
    assert value["summary"]["failures"]["symlink_outside"]["count"] == 1
    assert {row["path"] for row in rows(tmp_path / "out") if row["state"] == "failed"} == {"bad.png", "out.png"}
    assert not (tmp_path / "out" / "masks" / "bad.png").exists()
    assert "1 subfolder left out (--recursive takes them)" in result.stderr


def test_all_failed(worker: None, producer: Producer, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"bad")
    result = producer("submit", tmp_path / "bad.png", "--wait", "--to", tmp_path / "out")
    assert result.exit_code == 1
    assert "not_an_image" in result.stdout
    assert files(tmp_path / "out") == {"results.csv", "manifest.json"}


def test_demo_with_contact_sheet(worker: None, producer: Producer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = producer("demo", "--count", "14", "--severity", "0:1", "--to", out, "--contact-sheet")
    assert result.exit_code == 0, result.stderr
    assert "0.75 to 1.00" in result.stdout
    assert pixels(out / "contact-sheet.png").shape[0] > 12 * 192
    kinds = {path.split("/")[0] for path in files(out)}
    assert kinds == {
        "masks", "probabilities", "sources", "truths", "results.csv", "manifest.json", "contact-sheet.png"
    }  # fmt: skip
    truth = pixels(out / "truths" / "synthetic-000003.png")
    assert set(np.unique(truth)) == {0, 255}
    shown = one_json(producer("status", "last", "--json"))
    assert shown["summary"]["scored"] == 14
    assert [band["scored"] for band in shown["summary"]["bands"]] == [4, 3, 3, 4]
    assert shown["summary"]["dice"] == pytest.approx(0.875, abs=0.01)
    (out / "contact-sheet.png").unlink()
    assert producer("download", "last", out, "--contact-sheet").exit_code == 0
    assert (out / "contact-sheet.png").exists()


def test_demo_options_reach_the_items(services: Services, producer: Producer) -> None:
    options = ("--num-dots", "40", "--jitter", "0.01", "--severity", "0.25", "--noise", "speckle", "--seed", "7")
    job_id = producer("demo", "--count", "3", *options).stdout.strip()
    items = services.repository.items(job_id, limit=10)
    for item in items:
        assert item.synthesis is not None
        assert {name: item.synthesis[name] for name in ("num_dots", "jitter", "severity", "noise")} == {
            "num_dots": 40, "jitter": 0.01, "severity": 0.25, "noise": "speckle"
        }  # fmt: skip
    assert len({item.synthesis["seed"] for item in items if item.synthesis}) == 3


def test_submit_without_waiting_prints_the_id(services: Services, producer: Producer, folder: Path) -> None:
    result = producer("submit", folder, "--name", "my scans")
    assert result.exit_code == 0
    job = services.repository.job(result.stdout.strip())
    assert (job.name, job.counts.pending) == ("my scans", 5)
    assert one_json(producer("status", job.id[-6:], "--json"))["job"] == job.id
    assert job.id in producer("status").stdout
    assert [shown["job"] for shown in one_json(producer("status", "--json"))["jobs"]] == [job.id]


def test_cancel_watch_retry(services: Services, producer: Producer, folder: Path) -> None:
    job_id = producer("submit", folder).stdout.strip()
    assert producer("cancel", "last").exit_code == 0
    watched = producer("watch", job_id, "--json")
    assert (watched.exit_code, one_json(watched)["state"]) == (4, "cancelled")
    again = producer("cancel", job_id)
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert producer("retry", job_id).exit_code == 0
    assert services.repository.job(job_id).counts.pending == 5
    assert producer("retry", job_id).exit_code == 2


def test_watch_tells_how_a_job_ends(worker: None, producer: Producer, folder: Path) -> None:
    producer("submit", folder)
    assert producer("watch", "last").exit_code == 0
    (folder / "bad.png").write_bytes(b"bad")
    producer("submit", folder)
    assert producer("watch", "last").exit_code == 1


def test_download_takes_what_is_missing(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    producer("submit", folder, "--to", out)
    kept, lost = out / "masks" / "plain.png", out / "masks" / "two words.png"
    whole, inode = lost.read_bytes(), kept.stat().st_ino
    lost.unlink()
    (out / "probabilities" / "plain.png").write_bytes(b"edited")
    (out / "results.csv").unlink()
    result = producer("download", "last", out)
    assert result.exit_code == 0
    assert "10 files (8 were there already)" in result.stderr
    assert lost.read_bytes() == whole
    assert kept.stat().st_ino == inode
    assert (out / "probabilities" / "plain.png").read_bytes() != b"edited"
    assert len(rows(out)) == 5


def test_a_folder_is_one_jobs(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = one_json(producer("submit", folder, "--to", out, "--json"))["job"]
    before = {name: (out / name).read_bytes() for name in files(out)}
    (folder / "plain.jpg").unlink()
    refused = producer("submit", folder, "--to", out)
    assert (refused.exit_code, refused.stderr.count("error: ")) == (2, 1)
    assert f"holds the results of another job, {first} (scans): give another folder" in refused.stderr
    assert [job.id for job in services.repository.jobs(limit=9)] == [first]  # nothing was submitted
    assert producer("demo", "--count", "1", "--to", out).exit_code == 2
    producer("submit", folder, "--wait")
    assert producer("download", "last", out).exit_code == 2
    assert {name: (out / name).read_bytes() for name in files(out)} == before
    assert producer("download", first, out).exit_code == 0


def test_an_emptied_folder_is_free(worker: None, producer: Producer, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    producer("submit", folder, "--to", out)
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MARKER:  # which is hidden
            path.unlink()
    assert producer("submit", folder, "--to", out).exit_code == 0


def test_results_without_a_marker_are_told_by_their_rows(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = one_json(producer("submit", folder, "--to", out, "--json"))["job"]
    (out / MARKER).unlink()
    producer("submit", folder, "--wait")  # the same paths in another job
    with services.database.write() as connection:  # the stand-in for a worker always takes the same time
        connection.exec_driver_sql("UPDATE items SET seconds = seconds + 0.001 WHERE job_id > '" + first + "'")
    refused = producer("download", "last", out)
    assert (refused.exit_code, "results of another job" in refused.stderr) == (2, True)
    assert not (out / MARKER).exists()
    assert producer("download", first, out).exit_code == 0
    assert read_marker(out) == ResultsMarker(first, "scans")


def test_somebody_elses_masks_stay(services: Services, producer: Producer, folder: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "data" / "masks" / "plain.png"
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes(b"by hand")
    refused = producer("submit", folder, "--to", tmp_path / "data")
    assert (refused.exit_code, "has masks already" in refused.stderr) == (2, True)
    assert services.repository.jobs(limit=1) == []
    assert drawn.read_bytes() == b"by hand"


def test_download_of_a_job_at_work(services: Services, producer: Producer, folder: Path, tmp_path: Path) -> None:
    producer("submit", folder)
    result = producer("download", "last", tmp_path / "out")
    assert result.exit_code == 0
    assert "note: the job is queued" in result.stderr
    assert {row["state"] for row in rows(tmp_path / "out")} == {"pending"}


def test_lost_results_are_told(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path
) -> None:
    job_id = one_json(producer("submit", folder, "--wait", "--json"))["job"]
    item = services.repository.items(job_id, limit=1)[0]
    services.store.delete([str(item.mask_key)])
    result = producer("download", job_id, tmp_path / "out")
    assert result.exit_code == 1
    assert "lost 1 result of this job" in result.stderr
    assert len(files(tmp_path / "out")) == 11
    missing = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["missing"]
    assert [each["path"] for each in missing] == [item.path]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_log_that_is_not_utf_8_changes_no_exit_code(worker: None, tmp_path: Path, encoding: str) -> None:
    for number in range(12):
        (tmp_path / f"\u6f22é {number}.png").write_bytes(b"bad")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for arguments, code in (
        (("submit", tmp_path, "--wait", "--to", tmp_path / "out"), 1),
        (("demo", "--count", "2", "--wait"), 0),
        (("status", "last"), 0),
    ):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, env=environment)
        assert (done.returncode, b"defect" in done.stderr) == (code, False), done.stderr
        assert done.stdout.decode(encoding)
