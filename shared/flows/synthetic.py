"""Submitting synthetic jobs: rows → hints; the worker makes the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.db.tables.base import new_id
from shared.errors import UsageError
from shared.flows.sources import blocks
from shared.flows.submission import fill
from shared.jobs.records import NewItem, Priority
from shared.jobs.state import JobKind
from shared.services import Services
from shared.synth import DEFAULT_DEFINITION, NOISE_LABELS, find_definition

# What a job may ask for; the form, the API and the command line read it here. A single scene may have more, see
# shared.synth.scene.
MAX_COUNT = 1_000_000
MAX_DOTS = 1_000
MAX_JITTER = 0.2  # of the side
MAX_SEED = 2**53 - 1  # JSON and JavaScript carry these exactly


@dataclass(frozen=True)
class SyntheticSpec:
    """What a synthetic job generates: `count` scenes of a definition of the task, all determined by `seed`.

    `definition` is a name of shared.synth.DEFINITIONS. Severities are spread evenly from `severity_from` to
    `severity_to`. `num_dots`, `jitter` (standard deviation of the dots' displacement as a share of the image's side)
    and `noise` (a kind) are drawn for each scene where None.
    """

    count: int
    seed: int = 0
    num_dots: int | None = None
    jitter: float | None = None
    severity_from: float = 0.5
    severity_to: float = 0.5
    noise: str | None = None
    definition: str = DEFAULT_DEFINITION

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: one is out of its range.
        """
        if not 1 <= self.count <= MAX_COUNT:
            raise UsageError(f"count is {self.count}: give 1 to {MAX_COUNT}")
        if not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"seed is {self.seed}: give 0 to {MAX_SEED}")
        if self.num_dots is not None and not 1 <= self.num_dots <= MAX_DOTS:
            raise UsageError(f"num-dots is {self.num_dots}: give 1 to {MAX_DOTS}")
        if self.jitter is not None and not 0.0 <= self.jitter <= MAX_JITTER:
            raise UsageError(f"jitter is {self.jitter}: give 0 to {MAX_JITTER}")
        if not 0.0 <= self.severity_from <= self.severity_to <= 1.0:
            raise UsageError("severity goes from 0 to 1, the smaller first")
        if self.noise is not None and self.noise not in NOISE_LABELS:
            raise UsageError(f"noise is {self.noise!r}: give one of {', '.join(NOISE_LABELS)}")
        find_definition(self.definition)

    def items(self) -> Iterator[NewItem]:
        """Yield the items, each with the arguments of `shared.synth.synthesise`."""
        for index in range(self.count):
            yield NewItem(id=new_id(), path=f"synthetic-{index:06d}.png", synthesis=self.synthesis(index))

    def synthesis(self, index: int) -> dict[str, Any]:
        """Return the arguments of `shared.synth.synthesise` for the image of this number, from 0."""
        share = index / (self.count - 1) if self.count > 1 else 0.0
        severity = self.severity_from + share * (self.severity_to - self.severity_from)
        # 53 bits, which JSON carries exactly.
        seed = int(np.random.SeedSequence([self.seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(11))
        return {
            "definition": self.definition,
            "seed": seed,
            "num_dots": self.num_dots,
            "jitter": self.jitter,
            "severity": round(severity, 6),
            "noise": self.noise,
        }


def submit_synthetic(
    services: Services,
    spec: SyntheticSpec,
    *,
    name: str,
    submitted_by: str,
    priority: Priority = Priority.NORMAL,
    model: str | None = None,
    threshold: float | None = None,
) -> str:
    """Make a synthetic job and return its id; `model` and `threshold` are as `submit_images` has them.

    Raises:
        UsageError: there is no such model, or the threshold is out of range.
    """
    job_id = services.repository.create_job(
        JobKind.SYNTHETIC, name=name, submitted_by=submitted_by, priority=priority, model=model, threshold=threshold
    )
    fill(services, job_id, blocks(spec.items(), services.settings.shard_size), priority)
    return job_id
