import pytest
from rich.console import Console

from producer import report
from producer.summary import Scores, Summary
from shared.jobs.records import Item, Job, Marks
from shared.jobs.state import ItemCounts, JobKind, JobStatus

JOB = Job(
    id="01a206a4-0c0a-716e-8186-135f31bd38e3", kind=JobKind.IMAGES, name="scans of [today]\x1b[2J",
    state=JobStatus.PARTIAL, priority=0, submitted_by="t", created_at=1e9, started_at=1e9 + 1, finished_at=1e9 + 3.5,
    sealed_at=1e9, cancel_requested_at=None, counts=ItemCounts(succeeded=99_999, failed=1),
)  # fmt: skip


def test_jobs_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "console", lambda: Console(force_terminal=True, width=80, color_system=None))
    report.print_jobs([JOB])
    shown = capsys.readouterr().out
    for text in ("31bd38e3", "partial", "100,000/100,000", "scans of"):
        assert text in shown
    assert "\x1b" not in shown


def test_elsewhere_jobs_are_shown_with_their_whole_ids(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_jobs([JOB])
    assert JOB.id in capsys.readouterr().out


def test_json_of_a_job() -> None:
    value = report.job_json(JOB)
    assert (value["state"], value["seconds"], value["counts"]["total"]) == ("partial", 2.5, 100_000)


def test_the_end_of_a_job_counts_what_stands_out_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    strange = {"path": "odd [1].png", "reason": "uneven_ground", "familiarity": 0.0012, "quality": 0.5}
    item = Item(**dict.fromkeys(Item.__dataclass_fields__) | strange)  # type: ignore[arg-type]
    marks = Marks(nothing_found=12, unfamiliar=7, reasons={"uneven_ground": 3, "unlike_training": 4})
    summary = Summary(marks=marks, unfamiliar=[item])
    report.print_job(JOB, summary)
    shown = capsys.readouterr().out
    *_, empty, unfamiliar = shown.splitlines()
    assert empty == "12 of 99,999: nothing found"
    assert unfamiliar.startswith("7 of 99,999 look unlike anything the model knows: 4 unlike training, 3 uneven ground")
    for text in ("odd [1].png", "0.0012", "and 6 more"):
        assert text in shown
    said = summary.to_json()
    assert (said["nothing_found"], said["unfamiliar"]["count"]) == (12, 7)


def test_the_end_of_a_job_counts_notes_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(marks=Marks(noted=3), notes={"colour": 1, "pages": 2})
    report.print_job(JOB, summary)
    *_, line = capsys.readouterr().out.splitlines()
    assert line == "3 images have a note: 2 × pages left out, 1 × one colour taken; see note in results.csv"
    assert summary.to_json()["notes"] == {"count": 3, "kinds": {"colour": 1, "pages": 2}}
    assert next(Summary(marks=Marks(noted=1), notes={"other": 1}).lines(9)).startswith("1 image has a note: 1 × other;")


def test_scores_of_images_of_ones_own_have_no_severity(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(scores=Scores(4, 3.2, 2.8, 0.6))
    report.print_job(JOB, summary)
    shown = capsys.readouterr().out
    assert "scores against the truth" in shown
    assert "severity" not in shown
    assert all(figure in shown for figure in ("0.800", "0.700", "0.600"))
    said = summary.to_json()
    assert (said["scored"], said["dice"], said["lowest_dice"]) == (4, 0.8, 0.6)
    assert "bands" not in said


def test_where_nothing_stands_out_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_job(JOB, Summary())
    assert "nothing found" not in capsys.readouterr().out
