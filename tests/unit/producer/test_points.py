"""Point tables as images: read, drawn, and found again in their own units."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from producer.cli import main
from producer.points import table as tables
from producer.points.drawing import DotChoice, drawn, encoded, size_of_pixel, spacing_of
from producer.points.sources import PointChoice, PointSources
from producer.points.table import Points, read_points
from producer.unfinished import Request
from shared.errors import ItemError, UsageError
from shared.flows.submission import submit_images
from shared.images.codec import DecodeLimits, decode
from shared.pixel_size import PixelSize
from shared.point_frame import DESCRIBED, PointFrame
from shared.services import Services
from tests import simulated_worker

NAMES = ("x", "y", "weight")
LIMITS = DecodeLimits(min_side=16, max_side=32_768)
GRID = np.stack(np.meshgrid(np.arange(12) * 7.5, np.arange(9) * 7.5), -1).reshape(-1, 2)  # 7.5 apart


def read(text: str, names: tuple[str, ...] = NAMES, *, needs_all: bool = False) -> Points:
    return read_points(text.encode(), names, needs_all=needs_all)


@pytest.mark.parametrize(
    ("text", "places", "weights", "unit"),
    [
        ("x,y\n1,2\n3,4\n", [[1, 2], [3, 4]], None, ""),
        ("\ufeffX;Y\r\n1.5;-2e3\r\n", [[1.5, -2000]], None, ""),
        ("id\tWeight\ty (µm)\tx (µm)\na\t2\t4\t3\nb\t0\t9\t9\n", [[3, 4]], [2], "µm"),
        ('"x [nm]","y [nm]","intensity [photon]"\n"1","2","3"\n\n4,5,6', [[1, 2], [4, 5]], None, "nm"),
    ],
)
def test_tables_as_programs_write_them(
    text: str, places: list[list[float]], weights: list[float] | None, unit: str
) -> None:
    points = read(text)
    assert points.places.tolist() == places
    assert (None if points.weights is None else points.weights.tolist()) == weights
    assert points.unit == unit


def test_columns_are_called_as_somebody_says() -> None:
    points = read("x_location,y_location,qv\n1,2,3\n", ("X_Location", "y_location", "QV"), needs_all=True)
    assert points.places.tolist() == [[1, 2]]
    assert points.weights is not None
    assert points.weights.tolist() == [3]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty: its first line names its columns, x and y among them"),
        (b"\n\n", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "it is not UTF-8: save it as CSV in UTF-8"),
        (b"x,y\n1,2\n3,\xff\n", "it is not UTF-8"),
        (b"1,2\n3,4\n", "it has no header: its first line has to name the columns, x and y among them"),
        (b"a,b\n1,2\n", "it has no column x (it has a, b): --point-columns says what they are called"),
        (b"x,z\n1,2\n", "it has no column y (it has x, z)"),
        (b"x,y,X\n1,2,3\n", "it has the column x twice: rename one"),
        (b"x [nm],y\n1,2\n", "x is in nm and y in no unit: give both in the same"),
        (b"x,y\n", "it has a header and no points"),
        (b"x,y\n \n\n", "it has a header and no points"),
        (b"x,y\n1,2\n3,four\n", "row 2: 'four' is no number, such as 12.5 or 1e3"),
        (b"x,y\n1,\n", "row 1: '' is no number"),
        (b"x;y\n1,5;2\n", "row 1: '1,5' is no number"),
        (b"x,y\n1,2\n3\n", "row 2 has fewer cells than the header"),
        (b"x,y\n1,2\n3,nan\n", "row 2: y is not finite, or over 1e+100 (1 such): leave these points out"),
        (b"x,y\ninf,2\n-inf,2\n", "row 1: x is not finite, or over 1e+100 (2 such)"),
        (b"x,y,weight\n1,2,1\n1,2,-1\n", "row 2: weight is below 0: a weight is 0 or more"),
        (b"x,y,weight\n1,2,0\n", "weight is 0 everywhere: there is nothing to draw"),
    ],
)
def test_a_wrong_table_has_one_line(data: bytes, reason: str) -> None:
    with pytest.raises(ItemError) as refused:
        read_points(data, NAMES)
    assert refused.value.code == "bad_points"
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_weight_that_was_asked_for_has_to_be_there() -> None:
    with pytest.raises(ItemError, match=r"it has no column w \(it has x, y\)"):
        read("x,y\n1,2\n", ("x", "y", "w"), needs_all=True)


def test_too_many_points_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_POINTS", 3)
    assert len(read("x,y\n" + "1,2\n" * 3).places) == 3
    with pytest.raises(ItemError, match="it has more than 3 points: cut it into parts"):
        read("x,y\n" + "1,2\n" * 4)


def test_the_spacing_is_that_of_neighbours_at_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = np.concatenate([GRID, GRID])
    assert spacing_of(GRID) == spacing_of(twice) == 7.5
    monkeypatch.setattr("producer.points.drawing._MOST_COMPARED", 1000)  # of 108 points 9, and the least are more
    monkeypatch.setattr("producer.points.drawing._LEAST_SAMPLE", 5)
    monkeypatch.setattr("producer.points.drawing._AT_ONCE", 10)
    assert spacing_of(GRID) == 7.5
    with pytest.raises(ItemError, match="at one place, so that they have no spacing: give --point-pixel"):
        spacing_of(np.ones((5, 2)))


@pytest.mark.parametrize("offset", [0.0, -1e4, 6.7e6])
def test_dots_lie_where_the_points_do(offset: float) -> None:
    points = Points(GRID + offset, None, "")
    frame, shape = DotChoice(spacing=30.0).frame(points, "")
    assert frame.pixel == 0.25  # 7.5 / 30
    assert frame.points == len(GRID)
    picture = drawn(points, frame, shape)
    assert picture.shape == shape == (512, 512)
    ground = int(picture[0, 0])
    assert (picture == ground).mean() > 0.9
    for x, y in points.places:
        column, row = frame.column_and_row(x, y)
        around = picture[int(row) - 5 : int(row) + 6, int(column) - 5 : int(column) + 6].astype(float) - ground
        rows, columns = np.indices(around.shape)
        centre = (
            (columns * around).sum() / around.sum() + int(column) - 5 + 0.5,
            (rows * around).sum() / around.sum() + int(row) - 5 + 0.5,
        )
        assert frame.at(*centre) == pytest.approx((x, y), abs=0.02 * frame.pixel + 1e-9)


def test_bands_and_parts_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    points = Points(rng.random((400, 2)) * (900, 700), rng.random(400) + 0.1, "")
    frame, shape = DotChoice(pixel=1.0).frame(points, "")
    whole = drawn(points, frame, shape)
    monkeypatch.setattr("producer.points.drawing._BAND_ROWS", 37)
    monkeypatch.setattr("producer.points.drawing._AT_ONCE", 11)
    np.testing.assert_array_equal(drawn(points, frame, shape), whole)


def test_what_weighs_more_is_lighter() -> None:
    points = Points(np.array([[0.0, 0.0], [100.0, 0.0]]), np.array([1.0, 5.0]), "")
    frame, shape = DotChoice(pixel=1.0).frame(points, "")
    picture = drawn(points, frame, shape)
    light, heavy = (picture[int(row), int(column)] for column, row in (frame.column_and_row(x, 0) for x in (0, 100)))
    assert picture[0, 0] < light < heavy == picture.max()


def test_tables_of_one_pixel_lie_on_one_grid() -> None:
    frames = [DotChoice(pixel=0.3).frame(Points(GRID + shift, None, ""), "")[0] for shift in (0.0, 12.34)]
    steps = [(frame.left / 0.3, frame.top / 0.3) for frame in frames]
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)


@pytest.mark.parametrize("far", [1e7, 1e90])
def test_a_huge_extent_is_told_with_what_to_do(far: float) -> None:
    stray = Points(np.concatenate([GRID, [[far, far]]]), None, "")
    with pytest.raises(ItemError, match="of which 67,108,864 are drawn at most: leave stray points out") as refused:
        DotChoice().frame(stray, "")
    assert refused.value.code == "too_large"
    pixel = float(str(refused.value).rpartition(" ")[2])
    _, shape = DotChoice(pixel=pixel).frame(stray, "")  # what is advised works
    assert max(shape) <= 32_768


def test_what_is_too_far_from_0_is_told() -> None:
    with pytest.raises(ItemError, match="take away what all of them have in common") as refused:
        DotChoice(pixel=1e-6).frame(Points(np.array([[1e12, 0.0]]), None, ""), "")
    assert refused.value.code == "bad_points"


def test_the_picture_says_how_large_its_pixels_are() -> None:
    points = Points(GRID, None, "nm")
    frame, shape = DotChoice(pixel=1 / 3).frame(points, "nm")
    size = size_of_pixel(frame)
    assert size == PixelSize(1 / 3 * 1e-3, 1 / 3 * 1e-3)
    image = decode(encoded(drawn(points, frame, shape), size), limits=LIMITS)
    np.testing.assert_array_equal(image.pixels, drawn(points, frame, shape))
    assert image.pixel_size == size
    assert decode(encoded(drawn(points, frame, shape), None), limits=LIMITS).pixel_size is None
    for unit in ("", "px"):
        assert size_of_pixel(PointFrame(1, 1.0, 0.0, 0.0, unit)) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    (folder / "old").mkdir(parents=True)
    rows = "".join(f"{x!r},{y!r}\n" for x, y in (GRID - 1000).tolist())
    (folder / "cells.csv").write_text("x [um],y [um]\n" + rows)
    (folder / "bad.csv").write_text("a,b\n1,2\n")
    (folder / "notes.txt").write_text("x,y\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "old" / "more.tsv").write_text("x\ty\n" + rows.replace(",", "\t"))
    return folder


def test_a_folder_gives_its_tables(folder: Path) -> None:
    choice = PointChoice(NAMES, DotChoice())
    sources = PointSources([folder], choice, recursive=True, max_bytes=10**6)
    found = {source.path: source for source in sources}
    assert list(found) == ["bad.csv.tif", "cells.csv.tif", "old/more.tsv.tif"]
    survey = sources.survey()
    assert (survey.images, survey.other) == (3, {".txt": 1, ".png": 1})
    for source in found.values():
        assert source.version is not None
        assert sources.version_of(source.path) is None  # by which a job of another choice would be gone on with
    with pytest.raises(ItemError, match="it has no column x"):
        found["bad.csv.tif"].read()
    image = decode(found["cells.csv.tif"].read(), limits=LIMITS)
    assert image.pixel_size == PixelSize(7.5 / 12, 7.5 / 12)
    frame = PointFrame.of_described(found["cells.csv.tif"].said())
    assert frame is not None
    assert (frame.points, frame.unit, frame.pixel) == (len(GRID), "um", 7.5 / 12)

    # Where a picture lies is told of the one that was drawn last.
    (folder / "cells.csv").write_text("x,y\n1,2\n30,40\n")
    found["cells.csv.tif"].read()
    anew = PointFrame.of_described(found["cells.csv.tif"].said())
    assert anew is not None
    assert (anew.points, anew.unit) == (2, "")
    (folder / "cells.csv").unlink()
    with pytest.raises(ItemError, match="the file is gone"):
        found["cells.csv.tif"].read()
    for unread in ("bad.csv.tif", "cells.csv.tif"):
        assert found[unread].said() == dict.fromkeys(DESCRIBED, "")
    with pytest.raises(UsageError, match=r"there is no point table in .*1 subfolder left out"):
        PointSources([folder], choice, recursive=False, max_bytes=10**6, exclude=("*.csv",)).survey()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_tables_go_in_and_their_frames_come_back(own_services: Services, folder: Path, tmp_path: Path) -> None:
    sources = PointSources([folder], PointChoice(NAMES, DotChoice()), recursive=True, max_bytes=10**6)
    job_id = submit_images(own_services, sources, name="tables", submitted_by="ana")
    simulated_worker.process(own_services, job_id)
    items = {item.path: item for item in own_services.repository.items(job_id, limit=9)}
    assert (items["bad.csv.tif"].error_code, items["bad.csv.tif"].mask_key) == ("bad_points", None)
    frame = PointFrame.of_described(items["cells.csv.tif"].described)
    assert frame is not None
    assert float(frame.described()["point_left"]) < 0  # which is told as a number, not as what might be a formula
    assert run("export", job_id, "--format", "csv", "--to", str(tmp_path / "images.csv")).exit_code == 0
    rows = {row["path"]: row for row in csv.DictReader((tmp_path / "images.csv").read_text().splitlines())}
    assert {name: rows["cells.csv.tif"][name] for name in DESCRIBED} == frame.described() | {"point_unit": "um"}
    assert {rows["bad.csv.tif"][name] for name in DESCRIBED} == {""}


def test_another_choice_is_another_submission(folder: Path) -> None:
    def key(choice: PointChoice) -> str:
        return Request().key(PointSources([folder], choice, recursive=True, max_bytes=10**6))

    choices = (
        PointChoice(NAMES, DotChoice()),
        PointChoice(NAMES, DotChoice(20.0)),
        PointChoice(NAMES, DotChoice(pixel=1.0)),
        PointChoice(NAMES, DotChoice(), "nm"),
        PointChoice(("a", "b"), DotChoice()),
    )
    assert len({key(choice) for choice in choices}) == len(choices)
    assert key(choices[0]) == key(PointChoice(NAMES, DotChoice()))


def test_a_check_says_the_same_and_sends_nothing(own_services: Services, folder: Path) -> None:
    done = run("check", str(folder), "--points")
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "bad_points: mend these tables, or --exclude them" in said
    assert "it has no column x" in said
    assert "sizes: 512×512 px (1)" in said
    assert own_services.repository.jobs(limit=1) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--dot-spacing", "12"), "--dot-spacing is for tables of points: give --points too"),
        (("--points", "--dot-spacing", "12", "--point-pixel", "1"), "--dot-spacing chooses the pixels"),
        (("--points", "--point-pixel", "nan"), "finite numbers"),
        (("--points", "--point-pixel", "0"), "0.0 is not in the range"),
        (("--points", "--point-unit", "px"), "'px' is no unit of length: give one such as nm, um, mm"),
        (("--points", "--point-columns", "x"), "give two or three names, as in x,y,weight"),
        (("--points", "--point-columns", "x,x"), "give two or three names"),
        (("--points", "--pages", "all"), "--pages is for images, not for --points"),
        (("--points", "--manifest", "m.csv"), "--manifest is for images, not for --points"),
        (("--points", "--pixel-size", "1um"), "--pixel-size is for images"),
        (("--points", "--truth", "masks"), "--truth has masks of images"),
    ],
)
@pytest.mark.usefixtures("own_home")
def test_options_that_do_not_go_together(folder: Path, arguments: tuple[str, ...], line: str) -> None:
    done = run("submit", str(folder), *arguments)
    assert done.exit_code == 2
    assert line in " ".join(done.output.split())
