"""Images that are added to a job a few at a time: a batch that comes twice, after a lost answer, is there once.

An image is known by its path and its content. One of a known path with another content takes its place where that was
asked for, and is refused else: it may be another file of the same name.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.errors import ObjectMissing, Permanent
from shared.flows.hints import Hints
from shared.flows.sources import Source, SubmissionProgress
from shared.flows.upload import Upload
from shared.jobs.records import NewItem, Priority
from shared.services import Services


class NameTaken(Permanent):
    """The job has images of these paths with another content."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"the job has other images of these names: {', '.join(map(repr, paths[:3]))}")
        self.paths = paths


@dataclass(frozen=True)
class Added:
    """What became of a batch: images that are new, that were there, that took another's place; failed among these."""

    added: int
    known: int
    replaced: int
    failed: int


def add_images(
    services: Services,
    job_id: str,
    sources: Sequence[Source],
    *,
    replaces: Callable[[str], bool],
    modified: Mapping[str, int],
    are_new: bool = False,
) -> Added:
    """Add images to an unsealed job.

    Args:
        services: where to.
        job_id: of the job.
        sources: each with a path of its own.
        replaces: whether what comes under a path takes the place of another content.
        modified: when files were last written to, by path, in nanoseconds since 1970, where that is known.
        are_new: whether the caller knows that the job has none of these versions, so that nothing is compared.

    Raises:
        NameTaken: some are of names that the job has with another content; nothing was added.
        UsageError: the job takes no more images.
        Retryable: a service went away; the same call goes on.
    """
    job = services.repository.job(job_id)
    batch = _Batch(services, job_id, Hints(services, Priority(job.priority)), replaces, modified, are_new)
    batch.run(sources)
    done = batch.progress
    return Added(
        added=done.files - batch.known - done.changed, known=batch.known, replaced=done.changed, failed=done.failed
    )


class _Batch(Upload):
    """The upload of one batch."""

    def __init__(
        self,
        services: Services,
        job_id: str,
        hints: Hints,
        replaces: Callable[[str], bool],
        modified: Mapping[str, int],
        are_new: bool,
    ) -> None:
        super().__init__(services, job_id, True, hints, _unseen)
        self.known = 0
        self._replaces = replaces
        self._modified = modified
        self._are_new = are_new

    def select(self, block: Sequence[Source]) -> tuple[Sequence[Source], Sequence[Source]]:
        paths = [source.path for source in block]
        there = self.services.repository.contents(self.job_id, paths)
        other = [source for source in block if source.path in there and not self._is_same(source, there[source.path])]
        if refused := [source.path for source in other if not self._replaces(source.path)]:
            raise NameTaken(refused)
        self.known += len(there) - len(other)
        self.advance(files=len(there) - len(other))
        return [source for source in block if source.path not in there], other

    def take(self, source: Source) -> NewItem:
        item = super().take(source)
        if source.referred is not None:
            return item
        return replace(item, source_modified=self._modified.get(source.path))

    def _is_same(self, source: Source, key: str | None) -> bool:
        """Whether the job's image has this content; of one that failed before it was stored, whether this fails too."""
        if self._are_new:
            return False
        if source.referred is not None:
            return key == str(source.referred.reference)
        try:
            sent = source.read()
        except Permanent:
            return key is None
        if key is None:
            return False
        try:
            return hashlib.sha256(self.services.store.get(key)).digest() == hashlib.sha256(sent).digest()
        except ObjectMissing:
            return False


def _unseen(_progress: SubmissionProgress) -> None:
    """Tell nobody how far a batch is."""
