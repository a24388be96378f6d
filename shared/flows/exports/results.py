"""The export `results`: every picture that a job made, and a table of all inputs.

masks/{output name}           0 and 255
probabilities/{output name}   0 to 255, 255 for probability 1
sources/, truths/             synthetic jobs only
results.csv                   one row for each input; the last file: where it is, the download is complete
"""

from collections.abc import Iterator

from shared.flows.exports.export import Export, ExportFile, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.marker import RESULTS_CSV
from shared.flows.exports.masks import mask_png
from shared.flows.exports.table import results_csv
from shared.jobs.records import Item, Job
from shared.jobs.state import JobKind

# Numpy and most other readers give booleans for the 1 bit of a stored mask.
_BILEVEL = ("masks", "truths")


def result_files(item: Item, output_name: str, kind: JobKind) -> Iterator[StoredFile]:
    """Yield the pictures of an item that succeeded."""
    folders = {"masks": item.mask_key, "probabilities": item.probability_key}
    if kind is JobKind.SYNTHETIC:
        folders |= {"sources": item.source_key, "truths": item.truth_key}
    for folder, key in folders.items():
        if key is not None:
            yield StoredFile(
                name=f"{folder}/{output_name}",
                key=key,
                modified=item.finished_at or 0.0,
                convert=mask_png if folder in _BILEVEL else None,
                path=item.path,
            )


def _files(results: JobResults) -> Iterator[ExportFile]:
    for item, output_name in results.succeeded():
        yield from result_files(item, output_name, results.job.kind)
    yield WrittenFile(RESULTS_CSV, lambda: results_csv(results.named()))


def _count(job: Job) -> int:
    return job.counts.succeeded * (4 if job.kind is JobKind.SYNTHETIC else 2) + 1


EXPORT = Export(
    name="results",
    label="Masks, probability maps and table",
    description="masks/, probabilities/ and results.csv, of a synthetic job sources/ and truths/ too",
    files=_files,
    count=_count,
    top=("masks", "probabilities", "sources", "truths", RESULTS_CSV),
)
