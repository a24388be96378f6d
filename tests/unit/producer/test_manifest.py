"""A table says what is submitted; patterns say what is not."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from producer.chosen import Choice, sources_of
from producer.manifest import Manifest, ManifestSources
from producer.patterns import expanded
from producer.sources import Sources
from shared.errors import ItemError, UsageError
from shared.flows.pages import pages_of_text
from shared.flows.sources import MAX_PATH_BYTES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in ("a.png", "b.png", "old/c.png", "old/d_mask.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    tifffile.imwrite(folder / "s.tif", np.zeros((2, 20, 30), np.uint8), photometric="minisblack")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


def of(folder: Path, text: str, pages: str = "first", *, follow_links: bool = False) -> ManifestSources:
    path = folder.parent / "table.csv"
    path.write_text(text, "utf-8")
    return ManifestSources(
        Manifest.read(path), folder, max_bytes=10**6, pages=pages_of_text(pages), follow_links=follow_links
    )


def refusal(sources: ManifestSources, path: str) -> tuple[str, str]:
    [source] = [source for source in sources if source.path == path]
    with pytest.raises(ItemError) as refused:
        source.read()
    assert "\n" not in str(refused.value)
    return refused.value.code, str(refused.value)


def test_rows_are_images_with_names_and_what_is_known_of_them(folder: Path) -> None:
    sources = of(folder, "path;name;well;dose\nold/c.png;plate 1/c;A1;0,5\na.png;;B2;\n")
    assert [(source.path, source.read()) for source in sources] == [("plate 1/c", b"old/c.png"), ("a.png", b"a.png")]
    assert [source.described for source in sources] == [
        {"name": "plate 1/c", "well": "A1", "dose": "0,5"},
        {"name": "", "well": "B2", "dose": ""},
    ]
    assert (sources.survey().images, sources.name) == (2, "table")
    assert sources.version_of("plate 1/c") == Sources([folder], recursive=True, max_bytes=99).version_of("old/c.png")
    assert of(folder, "path,x\na.png,1\n").identity != of(folder, "path,x\na.png,2\n").identity


def test_a_name_that_no_database_takes_fails_under_one_that_it_does(folder: Path) -> None:
    name = "井" * 700
    usable, *refused = of(folder, f"path,name\na.png,{'x' * 2000}\na.png,{name}\nb.png,{name}'\n")
    assert usable.read() == b"a.png"
    assert len({source.path for source in refused}) == 2
    for source in refused:
        assert len(source.path.encode()) <= MAX_PATH_BYTES
        with pytest.raises(ItemError, match="more than 2,000 bytes: give it a shorter one"):
            source.read()


def test_a_row_that_cannot_be_used_fails_alone(folder: Path) -> None:
    text = "File,pixel_size\na.png,0.65um\ngone.png,\nb.png,0um\nold/c.png,3 parsec\n,1um\n../secret.png,\n\n"
    sources = of(folder, text)
    assert {source.path: source.read() for source in sources if source.path == "a.png"} == {"a.png": b"a.png"}
    assert refusal(sources, "gone.png")[0] == "unreadable"
    assert refusal(sources, "b.png") == ("bad_manifest", "no pixel is 0 µm large: give a size such as 0.65um")
    assert refusal(sources, "old/c.png")[0] == "bad_manifest"
    assert "names no file" in refusal(sources, "row 6 of table.csv")[1]
    assert sources.survey().unusable_rows == 4


def test_a_manifest_fetches_nothing_from_outside_unless_links_are_followed(folder: Path) -> None:
    text = "path,name\n../secret.png,mine.png\n"
    assert refusal(of(folder, text), "mine.png")[0] == "symlink_outside"
    assert [source.read() for source in of(folder, text, follow_links=True)] == [b"secret"]


def test_pages_of_a_row_have_what_is_known_of_it(folder: Path) -> None:
    sources = of(folder, "path,name,well\ns.tif,run 1,A1\na.png,,B1\n", "all")
    assert [source.path for source in sources] == ["run 1#0001", "run 1#0002", "a.png"]
    assert [source.described["well"] for source in sources if source.described] == ["A1", "A1", "B1"]
    assert all(source.version is not None and source.version() == sources.version_of(source.path) for source in sources)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column path"),
        ("a,b\n1,2\n", "has no column path that names the files \\(it has a, b\\)"),
        ("path,\na.png,1\n", "has a column without a name"),
        ("path,x,x\na.png,1,2\n", "has the column 'x' twice"),
        ("path\n", "a header and no rows"),
        ("path\na.png\na.png\n", "names 'a.png' a second time"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_in_one_line(folder: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        of(folder, text)
    assert "\n" not in str(refused.value)


def test_tables_that_cannot_be_read_are_refused_in_one_line(folder: Path) -> None:
    (folder / "latin.csv").write_bytes("path\nä.png\n".encode("latin-1"))
    for name, said in (("latin.csv", "is not UTF-8"), ("none.csv", "cannot be read")):
        with pytest.raises(UsageError, match=said):
            Manifest.read(folder / name)


def test_patterns_are_expanded_and_one_that_matches_nothing_is_said(folder: Path) -> None:
    assert [path.name for path in expanded([folder / "**" / "*.png"])] == ["a.png", "b.png", "c.png", "d_mask.png"]
    (folder / "x[1].png").write_bytes(b"")
    assert expanded([folder / "x[1].png", folder]) == [folder / "x[1].png", folder]
    with pytest.raises(UsageError, match=r"nothing matches .*\*\.jpg"):
        expanded([folder / "*.jpg"])


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*_mask.png"], ["a.png", "b.png", "s.tif", "old/c.png"]),
        (["old"], ["a.png", "b.png", "s.tif"]),
        (["old/c*", "*.tif"], ["a.png", "b.png", "old/d_mask.png"]),
        (["[ab].png", "old/"], ["s.tif"]),
    ],
)
def test_what_matches_an_excluded_pattern_is_left_out_and_counted(
    folder: Path, patterns: list[str], left: list[str]
) -> None:
    sources = Sources([folder], recursive=True, max_bytes=99, exclude=patterns)
    assert [source.path for source in sources] == left
    assert any("left out by --exclude" in note for note in sources.survey().notes())


def test_a_manifest_and_what_is_left_out_contradict_each_other(folder: Path) -> None:
    table = folder.parent / "table.csv"
    table.write_text("path\na.png\nb.png\n")
    with pytest.raises(UsageError, match="take rows out of it"):
        sources_of([folder], Choice(manifest=table, exclude=("b*",)), max_bytes=10**6)
    assert sources_of([folder], Choice(manifest=table), max_bytes=10**6).survey().images == 2
