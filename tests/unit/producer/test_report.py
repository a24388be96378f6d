import pytest
from rich.console import Console

from producer import report
from shared.jobs.records import Job
from shared.jobs.state import ItemCounts, JobKind, JobStatus

JOB = Job(
    id="01a206a4-0c0a-716e-8186-135f31bd38e3", kind=JobKind.IMAGES, name="scans of [today]\x1b[2J",
    state=JobStatus.PARTIAL, priority=0, submitted_by="t", created_at=1e9, started_at=1e9 + 1, finished_at=1e9 + 3.5,
    sealed_at=1e9, cancel_requested_at=None, counts=ItemCounts(succeeded=99_999, failed=1),
)  # fmt: skip


def test_jobs_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "_console", lambda: Console(force_terminal=True, width=80, color_system=None))
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
