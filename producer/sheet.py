"""The contact sheet of a synthetic job: a dozen of its images, from clean to noisy, drawn from a download."""

from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from producer.target import TargetFolder
from shared.errors import UsageError
from shared.flows.exports.names import job_output_names
from shared.flows.items import all_items
from shared.images.codec import decode_mask, decode_probability
from shared.images.contact_sheet import ContactRow, contact_sheet
from shared.jobs.records import Item, Job
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus, JobKind

T = TypeVar("T")

CONTACT_SHEET = "contact-sheet.png"
_MAX_ROWS = 12


def write_contact_sheet(repository: Repository, job: Job, folder: Path) -> Path | None:
    """Draw the sheet from the files that `download` wrote into `folder`; None where nothing is there.

    Raises:
        UsageError: the job is not synthetic: without truths there is nothing to compare with.
    """
    if job.kind is not JobKind.SYNTHETIC:
        raise UsageError("a contact sheet is drawn of synthetic jobs only: this one has no truths")
    # Only numbers and severities are kept of what may be very many items.
    by_severity = sorted(
        (item.synthesis["severity"], item.number)
        for item in all_items(repository, job.id, states=[ItemStatus.SUCCEEDED])
        if item.synthesis
    )
    if not by_severity:
        return None
    names = job_output_names(repository, job.id)
    rows = []
    for _, number in _spread(by_severity, _MAX_ROWS):
        [item] = repository.items(job.id, limit=1, after=number - 1)
        with suppress(OSError):  # a file that the store has lost, or that the folder did not take
            rows.append(_row(item, folder, names[item.path]))
    if not rows:
        return None
    with TargetFolder(folder).writing(CONTACT_SHEET) as path:
        contact_sheet(rows).save(path, "PNG")
    return folder / CONTACT_SHEET


def _spread(values: Sequence[T], most: int) -> Sequence[T]:
    """Return at most so many of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return values
    return [values[round(index * (len(values) - 1) / (most - 1))] for index in range(most)]


def _row(item: Item, folder: Path, name: str) -> ContactRow:
    def read(kind: str) -> bytes:
        return (folder / kind / name).read_bytes()

    severity = item.synthesis["severity"] if item.synthesis else 0.0
    return ContactRow(
        title=f"severity {severity:.2f}",
        source=np.asarray(Image.open(BytesIO(read("sources"))).convert("L")),
        truth=decode_mask(read("truths")),
        probability=decode_probability(read("probabilities")),
        mask=decode_mask(read("masks")),
        dice=item.dice,
        caption=item.path,
    )
