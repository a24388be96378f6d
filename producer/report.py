"""What the commands print on standard output: tables for people, one JSON object for programs."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from producer.download import Download
from producer.summary import Scores, Summary, band_title
from shared.commandline import printable
from shared.db.reasons import label_of
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.pace import Pace, pace_of, rate_text, worked_of
from shared.jobs.records import Job
from shared.tables import Column, console, print_table

_ENDING_LENGTH = 8
# Of a terminal that has room for whole ids beside the rest.
_WIDTH_OF_IDS = 120


def job_json(job: Job, pace: Pace | None = None) -> dict[str, Any]:
    """Return a job as plain JSON types; without its pace what was in its row when it ended."""
    counts, pace = job.counts, pace or pace_of(job, worked_of(job))
    return {
        "job": job.id,
        "name": job.name,
        "kind": job.kind.value,
        "state": job.state.value,
        "priority": job.priority,
        "scale": AUTO_WORD if job.scale == AUTO_SCALE else job.scale,
        "unfamiliar": job.unfamiliar.value,
        "channel": job.channel,
        "model": job.model,
        "model_name": job.model_name,
        "threshold": job.threshold,
        "counts": {
            "total": counts.total,
            "pending": counts.pending,
            "running": counts.running,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
        },
        "upload": job.upload_words,
        "seconds": _rounded(pace.seconds),
        "images_per_second": _rounded(pace.images_per_second),
        "seconds_left": _rounded(pace.seconds_left),
    }


def download_json(folder: Path, done: Download) -> dict[str, Any]:
    """Return what a download did as plain JSON types."""
    return {
        "folder": str(folder),
        "files": {
            "fetched": done.fetched,
            "kept": done.kept,
            "missing": done.missing,
            "refused": done.refused,
            "refusals": [{"file": refusal.file, "reason": refusal.reason} for refusal in done.refusals],
        },
    }


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(value))


def print_job(job: Job, summary: Summary, pace: Pace | None = None) -> None:
    """Print how a job stands, its scores by severity, and its failures."""
    to, pace = console(), pace or pace_of(job, worked_of(job))
    counts = job.counts
    open_ = counts.pending + counts.running
    columns = [
        Column("state"),
        *(Column(name, right=True) for name in ("images", "succeeded", "failed")),
        # Where the table is too wide, what is nought goes first.
        Column("cancelled", right=True, goes=1 if counts.cancelled else 5),
        Column("open", right=True, goes=1 if open_ else 4),
        Column("seconds", right=True, goes=2),
        Column("images/s", right=True, goes=3),
        *([Column("seconds left", right=True, goes=1)] if pace.seconds_left is not None else []),
    ]
    numbers = (counts.total, counts.succeeded, counts.failed, counts.cancelled, open_)
    times = (
        "" if pace.seconds is None else f"{pace.seconds:,.1f}",
        "" if pace.images_per_second is None else rate_text(pace.images_per_second),
        *([f"{pace.seconds_left:,.0f}"] if pace.seconds_left is not None else []),
    )
    row = (job.state.value, *(f"{number:,}" for number in numbers), *times)
    print_table(to, columns, [row], title=f"{printable(job.name)}  {job.id}")
    for told, show in (
        (summary.scores.count, _print_scores),
        (summary.failures, _print_failures),
        (summary.unfamiliar, _print_unfamiliar),
    ):
        if told:
            show(to, summary)
    for line in summary.lines(job.counts.succeeded):
        to.print(Text(line))


def print_jobs(jobs: list[Job]) -> None:
    """Print a line for each job, the newest first; on a narrow terminal ids by their endings, which do too."""
    to = console()
    columns = [
        Column("job"), Column("submitted", goes=1), Column("name", wraps=True), Column("state"),
        Column("done", right=True), Column("failed", right=True),
    ]  # fmt: skip
    rows = [
        (
            job.id[-_ENDING_LENGTH:] if to.width < _WIDTH_OF_IDS else job.id,
            f"{datetime.fromtimestamp(job.created_at).astimezone():%Y-%m-%d %H:%M}",
            printable(job.name),
            job.state.value,
            f"{job.counts.finished:,}/{job.counts.total:,}",
            f"{job.counts.failed:,}",
        )
        for job in jobs
    ]
    print_table(to, columns, rows)


def _print_scores(to: Console, summary: Summary) -> None:
    columns = [
        Column(name, right=True, goes=goes)
        for name, goes in (("images", 0), ("mean Dice", 0), ("mean IoU", 1), ("lowest Dice", 2))
    ]

    def row(scores: Scores) -> tuple[str, ...]:
        return (f"{scores.count:,}", *(f"{x:.3f}" for x in (scores.dice, scores.iou, scores.lowest_dice)))

    rows: list[tuple[str, ...]] = [row(summary.scores)]
    if summary.bands:
        columns = [Column("severity", right=True), *columns]
        bands = [(band_title(band), *row(scores)) for band, scores in sorted(summary.bands.items())]
        rows = [*bands, (), ("all", *rows[0])]
    print_table(to, columns, rows, title="scores against the truth")


def _print_failures(to: Console, summary: Summary) -> None:
    columns = [Column("code"), Column("images", right=True), Column("path", wraps=True), Column("reason", wraps=True)]
    rows: list[tuple[str, ...]] = []
    for code, failures in sorted(summary.failures.items()):
        for index, (path, error) in enumerate(failures.examples):
            head = (code, f"{failures.count:,}") if index == 0 else ("", "")
            rows.append((*head, printable(path), printable(error)))
        if failures.count > len(failures.examples):
            rows.append(("", "", _more(failures.count - len(failures.examples)), ""))
        rows.append(())
    print_table(to, columns, rows[:-1], title="failures")


def _print_unfamiliar(to: Console, summary: Summary) -> None:
    columns = [
        Column("reason"), Column("path", wraps=True),
        Column("familiarity", right=True, goes=2), Column("quality", right=True, goes=1),
    ]  # fmt: skip
    rows = []
    for item in summary.unfamiliar:
        familiarity = "" if item.familiarity is None else f"{item.familiarity:.4f}"
        quality = "" if item.quality is None else f"{item.quality:.2f}"
        rows.append((label_of(item.reason), printable(item.path), familiarity, quality))
    if summary.marks.unfamiliar > len(summary.unfamiliar):
        rows.append(("", _more(summary.marks.unfamiliar - len(summary.unfamiliar)), "", ""))
    print_table(to, columns, rows, title="unlike anything the model knows")


def _more(count: int) -> str:
    return f"… and {count:,} more, see results.csv"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
