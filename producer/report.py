"""What the commands print on standard output: tables for people, one JSON object for programs."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from producer.download import Download
from producer.summary import Scores, Summary, band_end
from shared.commandline import printable
from shared.db.reasons import label_of
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.pace import Pace, pace_of, rate_text, worked_of
from shared.jobs.records import Job

# Where there is no terminal there is no width to fit into.
_FILE_WIDTH = 160
_ENDING_LENGTH = 8


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
            "refusals": [{"file": refusal.name, "reason": refusal.reason} for refusal in done.refusals],
        },
    }


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    click.echo(json.dumps(value))


def print_job(job: Job, summary: Summary, pace: Pace | None = None) -> None:
    """Print how a job stands, its scores by severity, and its failures."""
    console, pace = _console(), pace or pace_of(job, worked_of(job))
    table = Table(title=Text(f"{printable(job.name)}  {job.id}"), title_justify="left")
    left = () if pace.seconds_left is None else ("seconds left",)
    for column in ("state", "images", "succeeded", "failed", "cancelled", "open", "seconds", "images/s", *left):
        table.add_column(column, justify="left" if column == "state" else "right")
    counts = job.counts
    numbers = (counts.total, counts.succeeded, counts.failed, counts.cancelled, counts.pending + counts.running)
    rate = "" if pace.images_per_second is None else rate_text(pace.images_per_second)
    times = ("" if pace.seconds is None else f"{pace.seconds:.1f}", rate, *(f"{pace.seconds_left:.0f}" for _ in left))
    table.add_row(job.state.value, *map(str, numbers), *times)
    console.print(table)
    if summary.scores.count:
        console.print(_scores_table(summary))
    if summary.failures:
        console.print(_failures_table(summary))
    if summary.unfamiliar:
        console.print(_unfamiliar_table(summary))
    for line in summary.lines(job.counts.succeeded):
        console.print(Text(line))


def print_jobs(jobs: list[Job]) -> None:
    """Print a line for each job, the newest first; on a terminal ids by their endings, which commands take too."""
    console = _console()
    table = Table()
    for column in ("job", "submitted", "name", "state"):
        table.add_column(column, no_wrap=column != "name", overflow="fold")
    for column in ("done", "failed"):
        table.add_column(column, justify="right", no_wrap=True)
    for job in jobs:
        table.add_row(
            job.id[-_ENDING_LENGTH:] if console.is_terminal else job.id,
            f"{datetime.fromtimestamp(job.created_at).astimezone():%Y-%m-%d %H:%M}",
            Text(printable(job.name)),
            job.state.value,
            f"{job.counts.finished:,}/{job.counts.total:,}",
            f"{job.counts.failed:,}",
        )
    console.print(table)


def _scores_table(summary: Summary) -> Table:
    table = Table(title="scores against the truth", title_justify="left")
    for column in ("severity", "images", "mean Dice", "mean IoU", "lowest Dice"):
        table.add_column(column, justify="right")

    def add(label: str, scores: Scores) -> None:
        table.add_row(label, str(scores.count), *(f"{x:.3f}" for x in (scores.dice, scores.iou, scores.lowest_dice)))

    for band, scores in sorted(summary.bands.items()):
        add(f"{band:.2f} – {band_end(band):.2f}", scores)
    table.add_section()
    add("all", summary.scores)
    return table


def _failures_table(summary: Summary) -> Table:
    table = Table(title="failures", title_justify="left")
    for column in ("code", "images", "path", "reason"):
        table.add_column(column, justify="right" if column == "images" else "left", overflow="fold")
    for code, failures in sorted(summary.failures.items()):
        for index, (path, error) in enumerate(failures.examples):
            head = (code, str(failures.count)) if index == 0 else ("", "")
            table.add_row(*head, Text(printable(path)), Text(printable(error)))
        if failures.count > len(failures.examples):
            table.add_row("", "", Text(f"… and {failures.count - len(failures.examples):,} more, see results.csv"), "")
        table.add_section()
    return table


def _unfamiliar_table(summary: Summary) -> Table:
    table = Table(title="unlike anything the model knows", title_justify="left")
    for column in ("reason", "path", "familiarity", "quality"):
        table.add_column(column, justify="left" if column in ("reason", "path") else "right", overflow="fold")
    for item in summary.unfamiliar:
        familiarity = "" if item.familiarity is None else f"{item.familiarity:.4f}"
        quality = "" if item.quality is None else f"{item.quality:.2f}"
        table.add_row(label_of(item.reason), Text(printable(item.path)), familiarity, quality)
    if summary.marks.unfamiliar > len(summary.unfamiliar):
        table.add_row(
            "", Text(f"… and {summary.marks.unfamiliar - len(summary.unfamiliar):,} more, see results.csv"), "", ""
        )
    return table


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)
