"""A download to a file system that is not Linux's own, exFAT as on memory sticks; what unpackers make of the zip."""

import csv
import io
import os
import shutil
import subprocess
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from admin.web.delivery.zip_stream import zip_stream
from shared.flows.exports.export import Lack
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import MANIFEST
from shared.flows.exports.marker import MARKER
from shared.flows.exports.registry import DEFAULT
from shared.formulas import original
from shared.portable import folded
from shared.services import Services
from tests.integration.producer.conftest import Producer

NAMES = (
    "A.png", "a.png", "B.PNG", "b.tif", "\u00e9.png", "e\u0301.png", "stra\u00dfe.png", "STRASSE.png",
    "2024-01-01T12:30:00.png", "a:b.png", "a?b.png", "aux.png", "CON.tif", "x .png", "q*<>|.png", "back\\..\\slash.png",
    "=1+1.png", "-rf.png", "\u202egnp.exe.png", "line\nbreak\x1b.png", "sub. /dir:1/x.png", "Sub/y.png", "sub/y.png",
    "\u6f22" * 80 + ".png", "plain.png",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"fine")
    return tmp_path / "scans"


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """An exFAT volume of this test's own: names fold, some are refused, and times are of every other second."""
    if not (shutil.which("mount.exfat-fuse") and shutil.which("mkfs.exfat")):
        pytest.skip("needs exFAT: apt-get install exfat-fuse exfatprogs")
    volume, image = tmp_path / "stick", tmp_path / "stick.img"
    volume.mkdir()
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    run("mkfs.exfat", image)
    device = ""
    try:
        device = run("losetup", "--find", "--show", image).strip()
        run("mount.exfat-fuse", device, volume)
    except subprocess.CalledProcessError as error:
        detach(device)
        pytest.skip(f"this user may not mount: {error.stderr.strip()}")
    yield volume
    run("umount", volume)
    detach(device)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 80 kB."""
    volume = tmp_path / "small"
    volume.mkdir()
    try:
        run("mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", volume)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this user may not mount: {error.stderr.strip()}")
    yield volume
    run("umount", volume)


def detach(device: str) -> None:
    if device:
        run("losetup", "--detach", device)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rows(table: str) -> dict[str, str]:
    return {original(row["path"]): row["file"] for row in csv.DictReader(io.StringIO(table, newline=""))}


def masks(folder: Path) -> set[str]:
    found = (path.relative_to(folder / "masks").as_posix() for path in (folder / "masks").rglob("*") if path.is_file())
    return {unicodedata.normalize("NFC", name) for name in found}


def unexpected(lack: Lack) -> None:
    raise AssertionError(lack)


def zipped(services: Services) -> bytes:
    job = services.repository.jobs(limit=1)[0]
    files = DEFAULT.files(JobResults(services.repository, services.store, job))
    return b"".join(zip_stream(files, services.store, modified=job.created_at, lacks=unexpected))


def test_every_name_is_its_own_file_on_a_stick(
    services: Services, worker: None, producer: Producer, folder: Path, exfat: Path, tmp_path: Path
) -> None:
    done = producer("submit", folder, "-r", "--to", exfat / "out")
    assert done.exit_code == 0, done.output
    names = rows((exfat / "out" / "results.csv").read_text("utf-8"))
    assert set(names) == set(NAMES)
    assert {folded(name) for name in masks(exfat / "out")} == {folded(name) for name in names.values()}
    assert len(masks(exfat / "out")) == len(NAMES)
    again = producer("download", "last", exfat / "out")
    assert f"{2 * len(NAMES)} files ({2 * len(NAMES)} were there already)" in again.stderr
    # Elsewhere it is the same.
    assert producer("download", "last", tmp_path / "out").exit_code == 0
    assert rows((tmp_path / "out" / "results.csv").read_text("utf-8")) == names
    for name in names.values():
        assert (exfat / "out" / "masks" / name).read_bytes() == (tmp_path / "out" / "masks" / name).read_bytes()


@pytest.fixture(params=["unzip", "python"])
def unpack(request: pytest.FixtureRequest) -> Callable[[Path, Path], None]:
    def by_unzip(archive: Path, to: Path) -> None:
        subprocess.run(["unzip", "-q", archive, "-d", to], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def by_python(archive: Path, to: Path) -> None:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(to)

    if request.param == "unzip" and not shutil.which("unzip"):
        pytest.skip("needs unzip: apt-get install unzip")
    return by_unzip if request.param == "unzip" else by_python


def test_a_zip_unpacks_to_what_a_download_writes(
    services: Services,
    worker: None,
    producer: Producer,
    folder: Path,
    tmp_path: Path,
    unpack: Callable[[Path, Path], None],
) -> None:
    assert producer("submit", folder, "-r", "--to", tmp_path / "out").exit_code == 0
    (tmp_path / "r.zip").write_bytes(zipped(services))
    unpack(tmp_path / "r.zip", tmp_path / "zip")

    def contents(root: Path) -> dict[str, bytes]:
        found = (path for path in root.rglob("*") if path.is_file() and path.name not in (MARKER, MANIFEST))
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}

    assert contents(tmp_path / "zip") == contents(tmp_path / "out")
    assert masks(tmp_path / "zip") == set(rows((tmp_path / "zip" / "results.csv").read_text("utf-8")).values())


def test_a_zip_unpacks_on_a_stick(
    services: Services, worker: None, producer: Producer, folder: Path, exfat: Path, tmp_path: Path
) -> None:
    assert producer("submit", folder, "-r", "--wait").exit_code == 0
    (tmp_path / "r.zip").write_bytes(zipped(services))
    with zipfile.ZipFile(tmp_path / "r.zip") as opened:
        opened.extractall(exfat / "zip")
    assert len(masks(exfat / "zip")) == len(NAMES)


def test_what_a_folder_refuses_is_told_and_the_rest_is_there(
    services: Services, worker: None, producer: Producer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def refusing(source: Path, name: Path, **options: object) -> None:
        if "_" in Path(name).name:
            raise OSError(22, "Invalid argument")
        real(source, name)

    monkeypatch.setattr(os, "replace", refusing)
    done = producer("submit", folder, "-r", "--to", tmp_path / "out")
    refused = {
        name
        for name in rows((tmp_path / "out" / "results.csv").read_text("utf-8")).values()
        if "_" in name.rpartition("/")[2]
    }
    assert refused
    assert done.exit_code == 1
    assert f"error: {2 * len(refused)} files could not be written" in done.stderr
    assert "Invalid argument" in done.stderr
    assert len(masks(tmp_path / "out")) == len(NAMES) - len(refused)
    monkeypatch.undo()


def test_a_full_and_a_read_only_disk_end_it_with_one_line_and_it_goes_on(
    services: Services, worker: None, producer: Producer, folder: Path, small: Path
) -> None:
    full = producer("submit", folder, "-r", "--to", small / "out")
    assert (full.exit_code, full.stdout) == (2, "")
    [line] = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert "No space left on device; free some there, and a repeat gets the rest" in line
    run("mount", "-o", "remount,ro", small)
    sealed = producer("download", "last", small / "out")
    assert (sealed.exit_code, sealed.stderr.count("\n")) == (2, 1)
    assert "Read-only file system" in sealed.stderr
    run("mount", "-o", "remount,rw,size=8m", small)
    assert producer("download", "last", small / "out").exit_code == 0
    assert len(masks(small / "out")) == len(NAMES)
