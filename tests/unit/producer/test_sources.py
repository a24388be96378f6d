import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.sources import Sources
from shared.errors import ItemError, UsageError
from shared.flows.exports.marker import MARKER, ResultsMarker
from shared.jobs.records import FileVersion

Find = Callable[..., Sources]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def find(*arguments: Path, recursive: bool = True, max_bytes: int = 1000, follow_links: bool = False) -> Sources:
    return Sources(arguments, recursive=recursive, max_bytes=max_bytes, follow_links=follow_links)


def touch(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def paths(sources: Sources) -> list[str]:
    return [source.path for source in sources]


def failure(sources: Sources, path: str) -> str:
    [source] = [source for source in sources if source.path == path]
    with pytest.raises(ItemError) as caught:
        source.read()
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_images_of_a_folder_sorted_with_their_bytes(folder: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c/d/e.tiff", "c/a.webp", "notes.txt", ".hidden.png", ".git/x.png"):
        touch(folder / name, name.encode())
    sources = find(folder)
    assert paths(sources) == ["a.jpg", "b.PNG", "c/a.webp", "c/d/e.tiff"]
    assert [source.read() for source in sources] == [source.path.encode() for source in sources]
    survey = sources.survey()
    assert (survey.images, survey.other.total(), survey.hidden, survey.subfolders) == (4, 1, 2, 0)
    assert sources.name == "folder"


def test_subfolders_only_when_asked(folder: Path) -> None:
    touch(folder / "a.png")
    touch(folder / "sub" / "b.png")
    sources = find(folder, recursive=False)
    assert paths(sources) == ["a.png"]
    assert sources.survey().notes() == ["1 subfolder left out (--recursive takes them)"]


def test_paths_are_relative_to_what_the_arguments_have_in_common(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "x" / "one.png"), touch(tmp_path / "x" / "y" / "two.png")
    assert paths(find(one)) == ["one.png"]
    assert paths(find(one, two)) == ["one.png", "y/two.png"]
    touch(tmp_path / "z" / "one.png")
    assert paths(find(tmp_path / "x" / "y", tmp_path / "z")) == ["x/y/two.png", "z/one.png"]


def test_a_file_named_explicitly_is_taken_whatever_its_name(folder: Path) -> None:
    hidden, text = touch(folder / ".hidden"), touch(folder / "notes.txt")
    assert paths(find(hidden, text)) == [".hidden", "notes.txt"]


def test_what_is_given_twice_is_taken_once(folder: Path) -> None:
    inside = touch(folder / "sub" / "a.png")
    touch(folder / "b.png")
    sources = find(folder, folder / "sub", inside, folder, folder / "sub" / ".." / "b.png")
    assert sorted(paths(sources)) == ["b.png", "sub/a.png"]


def test_order_does_not_depend_on_the_file_system(folder: Path) -> None:
    names = [f"{number}.png" for number in (7, 3, 11, 1, 20)]
    for name in names:
        touch(folder / name)
    assert paths(find(folder)) == sorted(names)


@pytest.mark.parametrize("name", ["line\nbreak.png", "quo\"te 's.png", "ünïcödé \U0001f600.png", " .png", "$(x);&.png"])
def test_names_stay_as_they_are(folder: Path, name: str) -> None:
    touch(folder / name)
    [source] = find(folder)
    assert source.path == name
    assert source.read() == b"data"


def test_links_inside_the_folder_are_followed(folder: Path) -> None:
    touch(folder / "sub" / "real.bin", b"inside")
    (folder / "link.png").symlink_to("sub/real.bin")
    sources = find(folder)
    assert paths(sources) == ["link.png"]
    assert next(iter(sources)).read() == b"inside"


def test_links_out_of_the_folder_fail(folder: Path) -> None:
    touch(folder.parent / "folder-beside" / "secret.png")
    (folder / "out.png").symlink_to("../folder-beside/secret.png")
    (folder / "passwd.png").symlink_to("/etc/passwd")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "hop.png").symlink_to("passwd.png")
    for name in ("out.png", "passwd.png", "zero.png", "hop.png"):
        assert failure(find(folder), name) == "symlink_outside"


def test_a_link_named_explicitly_is_followed(folder: Path) -> None:
    touch(folder.parent / "elsewhere.png", b"there")
    (folder / "out.png").symlink_to("../elsewhere.png")
    [source] = find(folder / "out.png")
    assert (source.path, source.read()) == ("out.png", b"there")


def test_a_folder_behind_a_link_is_the_submitted_folder_itself(folder: Path, tmp_path: Path) -> None:
    touch(folder / "a.png", b"a")
    (folder / "b.png").symlink_to("a.png")
    (tmp_path / "latest").symlink_to(folder)
    sources = find(tmp_path / "latest")
    assert [(source.path, source.read()) for source in sources] == [("a.png", b"a"), ("b.png", b"a")]


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    touch(folder / "a.png")
    (folder / "loop").symlink_to(".")
    (folder / "loop.png").symlink_to("..")
    sources = find(folder)
    assert paths(sources) == ["a.png"]
    assert sources.survey().notes() == ["2 links to folders not followed (--follow-links goes into them)"]


TIFF_HEAD = b"II\x2a\x00\x08\x00\x00\x00"


def test_images_are_known_by_content_too(folder: Path) -> None:
    for name in ("plate.tif.001", "noextension", "scan.whatever"):
        touch(folder / name, TIFF_HEAD)
    touch(folder / "slide.SVS", b"whatever it holds")
    for name in ("half.part", "old.tif~", "notes.tmp"):
        touch(folder / name, TIFF_HEAD)
    sources = find(folder)
    assert paths(sources) == ["noextension", "plate.tif.001", "scan.whatever", "slide.SVS"]
    [note] = sources.survey().notes()
    assert note.startswith("3 files left out, no image by name or content: ")
    assert "1 .part" in note


@pytest.mark.parametrize(
    "extension", ["czi", "nd2", "lif", "lsm", "stk", "ndpi", "scn", "qptiff", "dng", "mpo", "tif8"]
)
def test_a_folder_of_a_microscope_alone_is_submitted(folder: Path, extension: str) -> None:
    touch(folder / f"a.{extension}", b"unreadable")
    assert find(folder).survey().images == 1


def test_left_out_extensions_are_named(folder: Path) -> None:
    for name in ("a.csv", "b.csv", "c.TXT", "README", "f.1", "g.2", "h.3", "i.4"):
        touch(folder / name)
    with pytest.raises(UsageError) as caught:
        find(folder).survey()
    assert "8 files left out, no image by name or content: 2 .csv, " in str(caught.value)
    assert str(caught.value).endswith("2 others (name them to try them)")


def test_nothing_but_links_out_of_the_folder_is_told_before_a_job(folder: Path) -> None:
    outside = touch(folder.parent / "beside" / "a.png", b"there")
    for name in ("a.png", "b.png"):
        (folder / name).symlink_to(outside)
    with pytest.raises(UsageError, match=r"all 2 images in .* are links that lead out of it: --follow-links"):
        find(folder).survey()
    touch(folder / "c.png")
    assert find(folder).survey().notes() == [
        "2 images of 3 will fail, links that lead out of the folder (--follow-links takes what they lead to)"
    ]


def test_links_are_followed_when_asked_each_folder_once(folder: Path) -> None:
    beside = folder.parent / "beside"
    outside = touch(beside / "deep" / "a.png", b"there")
    (folder / "a.png").symlink_to(outside)
    (folder / "linked").symlink_to(beside)
    (folder / "linked again").symlink_to(beside)
    (folder / "round").symlink_to("..")
    (beside / "back").symlink_to(folder)
    sources = find(folder, follow_links=True)
    assert paths(sources) == ["a.png", "linked/deep/a.png"]
    assert [source.read() for source in sources] == [b"there", b"there"]
    assert find(folder, follow_links=True, recursive=False).survey().subfolders == 3


@pytest.mark.parametrize("swapped", ["sub", "sub/deep"])
def test_a_folder_swapped_for_a_link_leads_nowhere(folder: Path, swapped: str) -> None:
    touch(folder / "sub" / "deep" / "a.png", b"mine")
    for secret in ("a.png", "deep/a.png"):
        touch(folder.parent / "secret" / secret, b"secret")
    [source] = find(folder)
    (folder / swapped).rename(folder.parent / "away")
    (folder / swapped).symlink_to(folder.parent / "secret")
    with pytest.raises(ItemError) as caught:
        source.read()
    assert caught.value.code == "unreadable"


def test_results_of_earlier_jobs_are_left_out(folder: Path) -> None:
    touch(folder / "a.png")
    touch(folder / "b" / "own.png")
    for where in ("out", "b"):
        touch(folder / where / "masks" / "a.png")
        touch(folder / where / "probabilities" / "sub" / "a.png")
    touch(folder / "out" / "results.csv", b"path,state,error_code,error,width\r\n")
    touch(folder / "b" / MARKER, ResultsMarker("id", "name").to_bytes())
    touch(folder / "mine" / "masks" / "a.png")  # beside no results of ours
    sources = find(folder)
    assert paths(sources) == ["a.png", "b/own.png", "mine/masks/a.png"]
    assert "4 folders of earlier results left out" in sources.survey().notes()
    assert paths(find(folder / "out" / "masks")) == ["a.png"]  # named


def test_a_file_is_told_from_what_it_was(folder: Path) -> None:
    path = touch(folder / "a.png", b"one")
    [source] = find(folder)
    assert source.version is not None
    first = source.version()
    assert first == source.version()
    os.utime(path, ns=(0, 1))
    assert source.version() == FileVersion(size=3, modified=1) != first
    path.unlink()
    assert source.version() is None


def test_dangling_and_circular_links_fail(folder: Path) -> None:
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    assert failure(find(folder), "dangling.png") == "unreadable"
    assert failure(find(folder), "circle.png") == "unreadable"
    assert failure(find(folder / "dangling.png"), "dangling.png") == "unreadable"


@pytest.mark.timeout(20)  # opening a pipe without a writer would wait for ever
def test_what_is_not_a_file_is_never_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe.png")
    monkeypatch.chdir(folder)  # a socket's whole path may be too long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        for name in ("pipe.png", "socket.png"):
            assert failure(find(folder), name) == "not_a_file"
            assert failure(find(folder / name), name) == "not_a_file"
    assert failure(find(Path("/dev/zero")), "zero") == "not_a_file"


@pytest.mark.timeout(20)
def test_a_file_swapped_for_a_pipe_does_not_hang(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = touch(folder / "a.png")
    [source] = find(folder)
    really_stat = os.stat

    def stat_then_swap(*arguments: object, **options: object) -> os.stat_result:
        status = really_stat(*arguments, **options)  # type: ignore[arg-type]
        monkeypatch.undo()
        path.unlink()
        os.mkfifo(path)
        return status

    monkeypatch.setattr("producer.reading.os.stat", stat_then_swap)
    with pytest.raises(ItemError) as caught:
        source.read()
    assert caught.value.code == "not_a_file"


def test_names_that_are_not_utf8_fail_and_stay_apart(folder: Path) -> None:
    (folder / "\\xff.png").write_bytes(b"valid, and spelt like an escape")
    for name in (b"\xff.png", b"\xfe.png", b"\\xff\xfe.png", b"\xff\xfe.png"):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"x")
    sources = find(folder)
    shown = paths(sources)
    assert len(set(shown)) == 5
    assert all(path.encode() for path in shown)
    assert [path for path in shown if path != "\\xff.png" and failure(sources, path) != "bad_name"] == []
    assert "\\xfe.png" in shown


def test_files_of_a_folder_whose_name_is_not_utf8_fail(folder: Path) -> None:
    bad = Path(os.fsdecode(bytes(folder) + b"/\xe9t\xe9"))
    touch(bad / "a.png")
    assert failure(find(folder), "\\xe9t\\xe9/a.png") == "bad_name"


def test_size_is_checked_before_reading(folder: Path) -> None:
    with (folder / "huge.png").open("wb") as file:
        file.truncate(2**40)  # sparse
    touch(folder / "just.png", b"x" * 1000)
    sources = find(folder)
    assert failure(sources, "huge.png") == "too_many_bytes"
    assert [len(source.read()) for source in sources if source.path == "just.png"] == [1000]


def test_a_file_that_vanishes_fails_alone(folder: Path) -> None:
    path = touch(folder / "a.png")
    [source] = find(folder)
    path.unlink()
    with pytest.raises(ItemError, match="gone"):
        source.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(folder: Path) -> None:
    touch(folder / "secret.png").chmod(0)
    touch(folder / "locked" / "a.png")
    (folder / "locked").chmod(0)
    try:
        assert failure(find(folder), "secret.png") == "unreadable"
        assert failure(find(folder), "locked") == "unreadable"
    finally:
        (folder / "locked").chmod(0o700)


def test_a_folder_that_cannot_be_listed_becomes_a_failed_item(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(folder / "a.png")
    touch(folder / "locked" / "b.png")
    really_scan = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return really_scan(path)

    monkeypatch.setattr("producer.sources.os.scandir", refuse)
    sources = find(folder)
    assert paths(sources) == ["a.png", "locked"]
    assert failure(sources, "locked") == "unreadable"


def test_deep_folders(folder: Path) -> None:
    # Deeper than Python's calls may nest, and longer than one system call takes a path.
    here = os.open(folder, os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=here)
            deeper = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(os.open("deep.png", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        [source] = find(folder)
        assert source.path != "deep.png"
        assert failure(find(folder), source.path) == "bad_name"  # over 2,000 bytes
        assert len(source.path) < 1000
    finally:
        os.close(here)
        subprocess.run(["rm", "-r", folder], check=True)  # shutil calls itself for each level


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: touch(folder / "notes.txt")])
def test_nothing_to_submit(folder: Path, make: Callable[[Path], object]) -> None:
    make(folder)
    with pytest.raises(UsageError, match="no image in"):
        find(folder).survey()


def test_a_bucket_is_told_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"^s3://bucket/plates is in a bucket: `producer submit` takes one such address"
    ):
        find(Path("s3://bucket/plates"))
    monkeypatch.chdir(touch(tmp_path / "s3:" / "a.png").parent.parent)
    assert paths(find(Path("s3:"))) == ["a.png"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        find(tmp_path / "missing")
