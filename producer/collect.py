"""Collecting a job's results into a folder: what was asked for, and what is said when it is there."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from producer.claim import check_free
from producer.display import Display
from producer.download import Download, download
from shared.commandline import plural
from shared.errors import UsageError
from shared.flows.exports.export import Export
from shared.flows.exports.registry import DEFAULT
from shared.jobs.records import Job
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.services import Services


@dataclass(frozen=True)
class Destination:
    """Where the results go, and in which format."""

    folder: Path
    export: Export
    sheet: bool  # a contact sheet too

    def __post_init__(self) -> None:
        if self.sheet and self.export is not DEFAULT:
            raise UsageError(f"--contact-sheet is drawn from {DEFAULT.description}: give --format {DEFAULT.name}")

    def check_free(self, repository: Repository, job: Job | None) -> None:
        """Look whether the folder can get the results of this job (None: of a new one), before there are any.

        Raises:
            UsageError: it cannot.
        """
        if self.sheet and job is not None and job.kind is not JobKind.SYNTHETIC:
            raise UsageError("a contact sheet compares with truths, which images of your own lack: no --contact-sheet")
        check_free(self.folder, repository, job, self.export)

    def command(self, job_id: str) -> str:
        """Return the command that gets the rest."""
        return f"producer download {job_id} {self._folder_and_format}"

    def watch_command(self, job_id: str) -> str:
        """Return the command that waits for the job and then gets its results."""
        return f"producer watch {job_id} --to {self._folder_and_format}"

    @property
    def _folder_and_format(self) -> str:
        format_option = "" if self.export is DEFAULT else f" --format {self.export.name}"
        return f"{shlex.quote(str(self.folder))}{format_option}"


def destination_of(folder: Path | None, export: Export, *, sheet: bool = False) -> Destination | None:
    """Return what the options of a command that makes a job ask for; None where that is no download.

    Raises:
        UsageError: an option needs a folder, or does not go with another.
    """
    if folder is not None:
        return Destination(folder, export, sheet)
    for option, is_given in (("--contact-sheet", sheet), ("--format", export is not DEFAULT)):
        if is_given:
            raise UsageError(f"{option} needs a folder to write to: give --to DIR too")
    return None


def collect(services: Services, job: Job, to: Destination, display: Display) -> Download:
    """Download and say so."""
    done = download(services, job, to.export, to.folder, display)
    tell(done, to.folder, display)
    if to.sheet:
        from producer.sheet import write_contact_sheet

        if path := write_contact_sheet(services.repository, job, to.folder):
            display.line(f"contact sheet: {path}")
    return done


def tell(done: Download, to: Path, display: Display) -> None:
    """Say what was written where, and what is missing."""
    display.line(f"results are in {to}: {_files(done)}")
    if done.missing:
        display.line(f"error: the object store has lost {plural(done.missing, 'result')} of this job")
    if done.refused:
        display.line(f"error: {plural(done.refused, 'file')} could not be written, all others are there:")
        for refusal in done.refusals:
            display.line(f"  {refusal.file or refusal.path}: {refusal.reason}")
        if done.refused > len(done.refusals):
            display.line(f"  … and {done.refused - len(done.refusals):,} more")


def _files(done: Download) -> str:
    """Name what was written: `24 files, results.csv and manifest.json`, `coco.json of 12 parts and manifest.json`."""
    stored, made = done.fetched + done.kept, list(done.made)
    kept = f" ({done.kept:,} were there already)" if done.kept else ""
    if stored and done.gathered:
        made[0] = f"{made[0]} of {plural(stored, 'part')}{kept}"
    elif stored:
        made.insert(0, f"{plural(stored, 'file')}{kept}")
    return " and ".join(filter(None, [", ".join(made[:-1]), made[-1]])) if made else "no files"
