"""What is told of an item that was segmented, and which objects it has then."""

from dataclasses import asdict
from typing import Any

from shared.db.reasons import Reason, sentence_of
from shared.errors import ItemError, ItemErrorCode, UsageError
from shared.images.channel_choice import AUTO, planes_of
from shared.images.notes import CONSTANT, joined
from shared.jobs.records import ClaimedItem, Success, Unfamiliar
from shared.pixel_size import PixelSize
from shared.store import keys
from shared.version import code_version
from worker.judging import Judged
from worker.work import Work


def success(
    work: Work,
    judged: Judged,
    shape: tuple[int, int],
    note: str | None,
    pixel_size: PixelSize | None,
    **synthetic: Any,
) -> Success:
    """Describe a result; `shape` is height and width, `synthetic` what only a synthetic item has."""
    item, model = work.item, work.model
    # What a person said goes before what the file says, and of that what was said of this image alone.
    pixel_size = _said_of(item) or work.held.claim.pixel_size or pixel_size
    return Success(
        item_id=item.id,
        height=shape[0],
        width=shape[1],
        mask_key=keys.mask(item.job_id, item.id),
        probability_key=keys.probability(item.job_id, item.id),
        **asdict(judged.measured),
        reason=judged.reason,
        reason_place=judged.place_in_image,
        model=model.sha256,
        threshold=work.threshold,
        preprocessing=_preprocessing(judged, work),
        code_version=code_version(),
        device=model.device,
        postprocessing=work.held.claim.postprocessing or None,
        pixel_width_um=None if pixel_size is None else pixel_size.x,
        pixel_height_um=None if pixel_size is None else pixel_size.y,
        note=joined(note, notes=[CONSTANT] if judged.reason is Reason.CONSTANT else ()),
        seconds=work.seconds,
        **synthetic,
    )


def _said_of(item: ClaimedItem) -> PixelSize | None:
    """Return what a manifest says; through the API a column of that name may hold anything."""
    try:
        return PixelSize.of_described(item.described)
    except UsageError:
        return None


def _preprocessing(judged: Judged, work: Work) -> str:
    """Return how the pixels that the network saw were made of the file's."""
    if work.item.synthesis is not None or work.channel == AUTO:
        return judged.preprocessing
    apart = planes_of(work.channel)
    return f"{judged.preprocessing}, {f'{apart} channels' if apart else f'channel {work.channel}'}"


def refuse_unfamiliar(judged: Judged, work: Work) -> None:
    """Fail an unfamiliar image where its job says so, before anything of it is stored.

    Raises:
        ItemError: it is one, and refused.
    """
    if judged.is_unfamiliar and work.held.claim.unfamiliar is Unfamiliar.REFUSE:
        raise ItemError(ItemErrorCode.UNFAMILIAR, sentence_of(judged.reason, judged.place_in_image))


def result_keys(item: ClaimedItem) -> list[str]:
    """Return the keys of all objects that the worker writes for an item."""
    found = [keys.mask(item.job_id, item.id), keys.probability(item.job_id, item.id)]
    if item.synthesis is not None:
        found += [keys.source(item.job_id, item.id, ".png"), keys.truth(item.job_id, item.id)]
    return found
