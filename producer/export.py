"""`producer export`: a job's results in one format, into a folder or, of a format that is one file, under any name."""

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from producer import report
from producer.access import opened
from producer.claim import claim
from producer.collect import tell
from producer.display import Display
from producer.download import Download, write_export
from producer.options import job_argument, json_option, needed_format_option
from producer.target import TargetFolder
from shared.commandline import ExitCode, on_interrupt, plural
from shared.errors import Retryable, UsageError
from shared.flows.exports.export import Export
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import MANIFEST, Exporting
from shared.flows.item_words import MAX_NUMBERS, FilterWords, wanted_words
from shared.flows.items import numbered_paths
from shared.flows.lookup import find_job
from shared.jobs.records import Job
from shared.jobs.repository import Repository
from shared.patterns import matches_one
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

    def taken(self, services: Services, results: JobResults, export: Export) -> tuple[TargetFolder, "Place"]:
        """Return the folder, once it is sure that nothing of somebody else's is there, and the place as it is used.

        Raises:
            UsageError: something is, or it cannot be written to.
        """
        target = TargetFolder(self.folder)
        if export.single is not None and self.renamed:
            file, manifest = (self.folder / self.renamed[name] for name in (export.single, MANIFEST))
            if file.exists() and _told(manifest, results.job, export) is None:
                raise UsageError(f"{file} is there already, and is no such export of this job: give another name")
            return target, self
        claim(target, services.repository, results.job, export)
        own = f"{export.name}.{MANIFEST}"
        for name in (MANIFEST, own):
            told = _told(self.folder / name, results.job, export)
            if told is not None and told != results.wanted.words():
                raise UsageError(f"{self.folder} has this export of other images of the job: give another folder")
        if (self.folder / MANIFEST).exists() and _told(self.folder / MANIFEST, results.job, export) is None:
            return target, Place(self.folder, {MANIFEST: own})  # beside that of another format
        return target, self


def _is_empty(done: Download) -> bool:
    """Whether an export came to nothing but its manifest, without anything that was lost or refused."""
    return not (done.fetched or done.kept or done.missing or done.refused) and len(done.made) <= 1


def numbers_of(repository: Repository, job: Job, names: Sequence[str]) -> list[int]:
    """Return the numbers of the images that names or patterns of names mean, each at least one.

    Raises:
        UsageError: one means no image of the job, or all together mean too many.
    """
    found: list[int] = []
    unmet = set(names)
    for number, path in numbered_paths(repository, job.id):
        meant = [name for name in names if name == path or matches_one(path, [name])]
        if meant:
            unmet.difference_update(meant)
            found.append(number)
    if unmet:
        raise UsageError(
            f"no image of this job is called {min(unmet)}: --only takes the names of results.csv, or *.tif"
        )
    if len(found) > MAX_NUMBERS:
        raise UsageError(f"--only means {len(found):,} images, more than {MAX_NUMBERS}: take --where text=… instead")
    return found


def _wanted(where: tuple[str, ...], numbers: Iterable[int]) -> FilterWords:
    """Return which images the conditions of the command line mean, of those with `numbers` if there are any.

    Raises:
        UsageError: one is no condition.
    """
    pairs = [condition.partition("=") for condition in where]
    wrong = next((condition for condition, (_, equals, _) in zip(where, pairs, strict=True) if not equals), None)
    if wrong is not None:
        raise UsageError(f"--where takes NAME=VALUE, such as mark=unfamiliar, and not {wrong!r}")
    values = {name: value for name, _, value in pairs}
    if only := ",".join(map(str, numbers)):
        values["number"] = only
    return wanted_words(values, strict=True)


@click.command("export")
@job_argument
@needed_format_option
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, metavar="DIR|FILE",
    help="A folder, or the file itself where the format is one, such as out.json.",
)  # fmt: skip
@click.option(
    "--where", "where", multiple=True, metavar="NAME=VALUE",
    help="Only images that are so, such as mark=unfamiliar or quality_max=0.8 or text=plate7; all of several.",
)  # fmt: skip
@click.option(
    "--only", "only", multiple=True, metavar="NAME",
    help="Only this image, or those of a pattern such as plate7/*; all of several.",
)  # fmt: skip
@json_option
def export_command(
    reference: str, export: Export, to: Path, where: tuple[str, ...], only: tuple[str, ...], as_json: bool
) -> None:
    """Export the results of JOB in one format, with a manifest.json of what was asked and of what is missing.

    As far as the job has come; the same command takes what came later, and goes on where it was interrupted.
    """
    display = Display()
    place = Place.of(to, export)
    _wanted(where, ())  # what is no condition is told before a service is asked
    with opened() as services:
        job = find_job(services, reference)
        if not job.state.is_final:
            display.line(f"note: the job is {job.state}, {plural(job.counts.finished, 'image')} of it done so far")
        wanted = _wanted(where, numbers_of(services.repository, job, only) if only else ())
        results = JobResults(services.repository, services.store, job, wanted)
        target, place = place.taken(services, results, export)
        exporting = Exporting(export, results, renamed=place.renamed)
        command = shlex.join(
            ["producer", "export", job.id, "--format", export.name, "--to", str(to)]
            + [word for condition in where for word in ("--where", condition)]
            + [word for name in only for word in ("--only", name)]
        )
        done = _written(services, exporting, target, display, command)
        told_in = place.folder / place.renamed.get(MANIFEST, MANIFEST)
        tell(done, to, display)
        if _is_empty(done):
            display.line(f"note: no image of this job has what {export.name} gives: {export.description}")
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


def _told(manifest: Path, job: Job, export: Export) -> dict[str, str] | None:
    """Return which images a manifest tells of; None where it is not of this export of this job."""
    try:
        told = json.loads(manifest.read_bytes())
        is_of_this = told["job"]["id"] == job.id and told["asked"]["format"] == export.name
        return dict(told["asked"]["filter"]) if is_of_this else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
