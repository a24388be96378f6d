"""A few of the images of a check through the real path: which of them a model finds unfamiliar, and why."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from producer.segment import await_end
from shared.commandline import plural
from shared.db.events import Actor
from shared.db.reasons import Reason
from shared.errors import DelineateError, UsageError
from shared.flows.items import all_items
from shared.flows.submission import Source, submit_images
from shared.identity import user_at_host
from shared.jobs.records import Mark, Priority
from shared.jobs.state import ItemStatus
from shared.services import Services

MOST = 50
"""Images of a sample."""
_SECONDS = 120.0
_EXAMPLES = 3


@dataclass
class Sampled:
    """What became of a sample, or why nothing is known of it."""

    job: str | None = None
    images: int = 0  # that were segmented
    reasons: Counter[str] = field(default_factory=Counter)  # of the unfamiliar ones, by code word
    examples: list[tuple[str, str]] = field(default_factory=list)  # path, code word
    unknown: str = ""  # why nothing is known; one line

    def lines(self) -> list[str]:
        """Return a line on all of it, and one for each reason with what to do."""
        if self.unknown:
            return [f"sample: not known, {self.unknown}"]
        flagged = self.reasons.total()
        said = f"sample: {flagged:,} of {plural(self.images, 'image')} would be flagged as unfamiliar (job {self.job})"
        such = "".join(f", {path}" for path, _ in self.examples)
        return [said + (f", such as{such.removeprefix(',')}" if such else "")] + [
            f"{word}: {count:,} of them. {Reason(word).sentence}" for word, count in self.reasons.most_common()
        ]

    def json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "job": self.job,
            "images": self.images,
            "unfamiliar": self.reasons.total(),
            "reasons": [
                {"reason": word, "images": count, "step": Reason(word).sentence}
                for word, count in self.reasons.most_common()
            ],
            "examples": [{"path": path, "reason": word} for path, word in self.examples],
            "unknown": self.unknown or None,
        }


def spread(sources: Iterable[Source], total: int, count: int) -> Iterator[Source]:
    """Yield `count` of `total` sources that lie evenly among them; all where there are no more."""
    wanted = {place * total // min(count, total) for place in range(min(count, total))}
    return (source for number, source in enumerate(sources) if number in wanted)


def sampled(
    services: Services,
    sources: Iterable[Source],
    *,
    name: str,
    channel: str,
    seconds: float = _SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Sampled:
    """Segment images before all others as a job of their own, cancelled after `seconds`, and say what it found."""
    try:
        services.database.check()
    except DelineateError as error:
        return Sampled(unknown=f"for no stack answers ({error})")
    job_id = submit_images(
        services,
        sources,
        name=name,
        submitted_by=user_at_host(),
        priority=Priority.HIGH,
        channel=channel,
    )
    try:
        await_end(services, job_id, seconds, sleep)
    except UsageError as error:
        services.repository.cancel(job_id, by=Actor.of_text(user_at_host()))
        return Sampled(job=job_id, unknown=str(error))
    except BaseException:  # Ctrl-C too: nobody waits for it any more
        services.repository.cancel(job_id, by=Actor.of_text(user_at_host()))
        raise
    found = Sampled(job=job_id)
    for item in all_items(services.repository, job_id, states=[ItemStatus.SUCCEEDED]):
        found.images += 1
        if Mark.UNFAMILIAR in item.marks:
            reason = item.reason or Reason.UNLIKE_TRAINING.value
            found.reasons[reason] += 1
            if len(found.examples) < _EXAMPLES:
                found.examples.append((item.path, reason))
    return found
