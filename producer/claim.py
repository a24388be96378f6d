"""Whose results a folder gets: one job's. Another's are never overwritten, and none are left standing beside them."""

import csv
import shlex
from collections.abc import Iterable
from pathlib import Path

from producer.target import TargetFolder
from shared.errors import UsageError
from shared.flows.exports.export import Export
from shared.flows.exports.manifest import MANIFEST
from shared.flows.exports.marker import (
    MARKER,
    RESULTS_CSV,
    ResultsMarker,
    has_results_csv,
    occupied,
    read_marker,
)
from shared.flows.exports.table import result_row
from shared.flows.items import all_items
from shared.formulas import original
from shared.jobs.records import Item, Job
from shared.jobs.repository import Repository

# Told from one job's results to another's of the same paths: nobody measures the same time twice.
_FINGERPRINT = ("state", "model", "seconds")


def claim(target: TargetFolder, repository: Repository, job: Job, export: Export) -> None:
    """Mark the folder as that of the job's results, for good.

    Raises:
        UsageError: it is not free for them, or cannot be written to.
    """
    check_free(target.root, repository, job, export)
    target.mark(MARKER, ResultsMarker(job.id, job.name).to_bytes())


def check_free(folder: Path, repository: Repository, job: Job | None, export: Export) -> None:
    """Look whether a folder, which may not be there yet, can get the results of this job; None: of a new one.

    Raises:
        UsageError: it holds another job's results, or something of unknown origin under a name that would be written.
    """
    marker = read_marker(folder)
    if marker is not None:
        if (job is None or marker.job != job.id) and _has_more_than_hidden(folder):
            goes_on = f"producer download {marker.job} {shlex.quote(str(folder))}"
            raise UsageError(
                f"{folder} holds the results of another job, {marker.job} ({marker.name}): give another folder, or "
                f"delete this one; `{goes_on}` gets the rest of that job"
            )
        return
    if has_results_csv(folder):
        if job is None or not _rows_are_of(folder / RESULTS_CSV, all_items(repository, job.id)):
            raise UsageError(
                f"{folder} holds the results of another job (see its {RESULTS_CSV}): give another folder, "
                f"or delete this one first"
            )
        return
    if taken := occupied(folder, (*export.top, MANIFEST)):
        raise UsageError(
            f"{folder} has {' and '.join(taken)} already, which would be mixed with the results: give another folder"
        )


def _has_more_than_hidden(folder: Path) -> bool:
    try:
        return any(not path.name.startswith(".") for path in folder.iterdir())
    except OSError:  # nobody may list it: whatever there is stays
        return True


def _rows_are_of(table: Path, items: Iterable[Item]) -> bool:
    """Whether a table, written before there were markers, is about these items: all of its paths, what succeeded too.

    A row of anything else may have changed since.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = {
                original(row["path"]): tuple(row.get(name) or "" for name in _FINGERPRINT)
                for row in csv.DictReader(file)
            }
    except (OSError, ValueError, LookupError, csv.Error):
        return False
    strangers = set(rows)
    for item in items:
        if (row := rows.get(item.path)) is None:
            continue
        now = result_row(item, file="")
        if row[0] == "succeeded" and row != tuple(now[name] for name in _FINGERPRINT):
            return False
        strangers.discard(item.path)
    return bool(rows) and not strangers
