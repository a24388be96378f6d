from pathlib import Path

import pytest

from producer.collect import Destination, destination_of, tell
from producer.display import Display
from producer.download import Download
from shared.errors import UsageError
from shared.flows.exports.export import Export
from shared.flows.exports.registry import DEFAULT

OTHER = Export("other", "Other", "other/", lambda results: iter(()), lambda job: 0)


def test_without_a_folder_nothing_is_downloaded() -> None:
    assert destination_of(None, DEFAULT) is None
    assert destination_of(Path("out"), OTHER) == Destination(Path("out"), OTHER, sheet=False)


@pytest.mark.parametrize(
    ("folder", "export", "sheet", "words"),
    [
        (None, OTHER, False, "--format needs a folder to write to: give --to DIR too"),
        (None, DEFAULT, True, "--contact-sheet needs a folder to write to: give --to DIR too"),
        (Path("out"), OTHER, True, "--contact-sheet is drawn from .* give --format results"),
    ],
)
def test_options_that_do_not_go_together(folder: Path | None, export: Export, sheet: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        destination_of(folder, export, sheet=sheet)


def test_the_command_that_gets_the_rest() -> None:
    assert Destination(Path("out"), DEFAULT, sheet=False).command("1a") == "producer download 1a out"
    spaced = Destination(Path("two words"), OTHER, sheet=False)
    assert spaced.command("1a") == "producer download 1a 'two words' --format other"


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Download(20, 4, 0, ("results.csv", "manifest.json")),
         "24 files (4 were there already), results.csv and manifest.json"),
        (Download(12, 0, 0, ("coco.json", "manifest.json"), gathered=True), "coco.json of 12 parts and manifest.json"),
        (Download(0, 0, 0, ("report.html", "manifest.json")), "report.html and manifest.json"),
        (Download(0, 0, 0, ()), "no files"),
    ],
)  # fmt: skip
def test_it_is_said_what_was_written(capsys: pytest.CaptureFixture[str], done: Download, words: str) -> None:
    tell(done, Path("out"), Display())
    assert capsys.readouterr().err == f"results are in out: {words}\n"
