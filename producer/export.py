"""`producer export`: a job's results in one format, into a folder or, of a format that is one file, under any name."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import click

from producer import report
from producer.claim import claim
from producer.collect import tell
from producer.display import Display
from producer.download import Download, write_export
from producer.options import FORMATS, job_argument, json_option
from producer.target import TargetFolder
from shared.commandline import ExitCode, on_interrupt, opened_services, plural
from shared.errors import Retryable, UsageError
from shared.flows.exports.export import Export
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import MANIFEST, Exporting
from shared.flows.lookup import find_job
from shared.jobs.records import Job
from shared.services import Services

# What somebody means by such a name is a file.
_OF_FILES = frozenset({".json", ".csv", ".parquet", ".html", ".zip", ".geojson"})


@dataclass(frozen=True)
class Place:
    """Where an export goes: a folder, and in it the names of files that are not the export's own."""

    folder: Path
    renamed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, to: Path, export: Export) -> "Place":
        """Return what the user's path means.

        Raises:
            UsageError: it names a file, and the export has several.
        """
        if to.is_dir() or to.suffix.lower() not in _OF_FILES:
            return cls(to)
        if export.single is None:
            raise UsageError(
                f"the export {export.name} has several files: give a folder to write them to, not {to.name}"
            )
        if to.suffix.lower() != Path(export.single).suffix:
            raise UsageError(
                f"the export {export.name} is no {to.suffix} file: call it {to.with_suffix(Path(export.single).suffix)}"
            )
        return cls(to.parent, {export.single: to.name, MANIFEST: f"{to.stem}.{MANIFEST}"})

    def take(self, services: Services, job: Job, export: Export) -> TargetFolder:
        """Return the folder, once it is sure that nothing of somebody else's is there.

        Raises:
            UsageError: something is, or it cannot be written to.
        """
        target = TargetFolder(self.folder)
        if export.single is None or not self.renamed:
            claim(target, services.repository, job, export)
            return target
        file, manifest = (self.folder / self.renamed[name] for name in (export.single, MANIFEST))
        if file.exists() and not _is_of(manifest, job, export):
            raise UsageError(f"{file} is there already, and is no such export of this job: give another name")
        return target


@click.command("export")
@job_argument
@click.option(
    "--format",
    "export",
    type=click.Choice(list(FORMATS)),
    required=True,
    callback=lambda _context, _option, name: FORMATS[name],
    help="; ".join(f"{name}: {of.description}" for name, of in FORMATS.items()) + ".",
)
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, metavar="DIR|FILE",
    help="A folder, or the file itself where the format is one, such as out.json.",
)  # fmt: skip
@json_option
def export_command(reference: str, export: Export, to: Path, as_json: bool) -> None:
    """Export the results of JOB in one format, with a manifest.json of what was asked and of what is missing.

    As far as the job has come; the same command takes what came later, and goes on where it was interrupted.
    """
    display = Display()
    place = Place.of(to, export)
    with opened_services(check=False, quiet=True) as services:
        job = find_job(services, reference)
        if not job.state.is_final:
            display.line(f"note: the job is {job.state}, {plural(job.counts.finished, 'image')} of it done so far")
        exporting = Exporting(export, JobResults(services.repository, services.store, job), renamed=place.renamed)
        target = place.take(services, job, export)
        command = f"producer export {job.id} --format {export.name} --to {shlex.quote(str(to))}"
        done = _written(services, exporting, target, display, command)
        told_in = place.folder / place.renamed.get(MANIFEST, MANIFEST)
        tell(done, to, display)
        if exporting.without_result:
            display.line(f"note: {plural(exporting.without_result, 'image')} without a result: {told_in} lists them")
        if as_json:
            missing = exporting.without_result + len(exporting.lacking)
            report.print_json(
                report.download_json(place.folder, done)
                | {"job": job.id, "format": export.name, "manifest": str(told_in), "missing": missing}
            )
    if not done.is_complete:
        raise click.exceptions.Exit(ExitCode.SOME_FAILED)


def _written(
    services: Services, exporting: Exporting, target: TargetFolder, display: Display, command: str
) -> Download:
    try:
        with on_interrupt(f"interrupted; `{command}` goes on where it was"):
            return write_export(services, exporting, target, display)
    except Retryable as error:
        raise type(error)(f"{error}; what is there stays, and `{command}` goes on where it was") from error


def _is_of(manifest: Path, job: Job, export: Export) -> bool:
    """Whether a manifest tells of this export of this job."""
    try:
        told = json.loads(manifest.read_bytes())
        return bool(told["job"]["id"] == job.id and told["asked"]["format"] == export.name)
    except (OSError, ValueError, LookupError, TypeError):
        return False
