import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shared.errors import DatabaseUnavailable, ImageError, ItemErrorCode, StoreUnavailable, UsageError
from shared.flows import submission, upload
from shared.flows.submission import Source, SubmissionProgress, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs.records import FileVersion
from shared.jobs.repository import Repository
from shared.jobs.state import ItemCounts, JobKind, JobStatus
from shared.services import Services


def sources(count: int, start: int = 0) -> list[Source]:
    return [Source(f"folder {n}/ä\n'\".png", lambda n=n: b"bytes %d" % n) for n in range(start, start + count)]


def submit(services: Services, what: object, **options: object) -> str:
    return submit_images(services, what, name="n", submitted_by="t", **options)  # type: ignore[arg-type]


def test_every_source_becomes_an_item_with_its_bytes(services: Services) -> None:
    seen: list[SubmissionProgress] = []
    job_id = submit(services, sources(23), on_progress=seen.append)
    job = services.repository.job(job_id)
    assert (job.kind, job.state, job.counts) == (JobKind.IMAGES, JobStatus.QUEUED, ItemCounts(pending=23))
    items = services.repository.items(job_id, limit=100)
    assert [item.path for item in items] == [source.path for source in sources(23)]
    assert [services.store.get(item.source_key) for item in items] == [b"bytes %d" % n for n in range(23)]
    assert seen[-1] == SubmissionProgress(files=23, bytes=sum(item.source_bytes for item in items))


def test_the_first_hint_is_out_before_the_last_source_is_read(services: Services) -> None:
    waiting: list[int] = []

    def lazily() -> Iterator[Source]:
        for source in sources(40):
            waiting.append(services.queue.length())
            yield source

    submit(services, lazily())
    assert waiting[0] == 0
    assert waiting[-1] == services.settings.publish_window


def test_a_bad_source_fails_alone(services: Services) -> None:
    def unreadable() -> bytes:
        raise ImageError(ItemErrorCode.UNREADABLE, "no permission")

    job_id = submit(services, [*sources(3), Source("bad.png", unreadable)])
    bad = services.repository.items(job_id, limit=1, after=2)[0]
    assert (bad.path, bad.error_code, bad.error, bad.source_key) == ("bad.png", "unreadable", "no permission", None)
    assert services.repository.job(job_id).counts == ItemCounts(pending=3, failed=1)


def test_nothing_to_submit_makes_no_job(services: Services) -> None:
    with pytest.raises(UsageError, match="no image"):
        submit(services, [])
    assert services.repository.jobs(limit=1) == []


def test_a_submission_that_fails_at_its_start_leaves_nothing(services: Services) -> None:
    def away() -> bytes:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        submit(services, [*sources(2), Source("x.png", away)])
    assert services.repository.jobs(limit=1) == []
    assert list(services.store.list("jobs/")) == []


@pytest.mark.parametrize("interrupted_at", [5, 17, 38])
def test_an_interrupted_submission_goes_on_where_it_was(services: Services, interrupted_at: int) -> None:
    def interrupted() -> Iterator[Source]:
        yield from sources(interrupted_at)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(services, interrupted(), submission_key="key")
    left = services.repository.jobs(limit=5)
    started: list[tuple[str, bool]] = []
    job_id = submit(services, sources(40), submission_key="key", on_start=lambda *call: started.append(call))
    assert started == [(job_id, bool(left))]
    assert [job.id for job in services.repository.jobs(limit=5)] == [job_id]
    items = services.repository.items(job_id, limit=100)
    assert sorted(item.path for item in items) == sorted(source.path for source in sources(40))
    # No object is left of what the interruption threw away.
    assert {info.key for info in services.store.list("jobs/")} == {item.source_key for item in items}
    assert submit(services, sources(1), submission_key="key") != job_id  # complete: the next is a new one


def test_an_interruption_just_after_a_commit_takes_no_source_away(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(services.dispatcher, "fill", interrupted)  # called once a shard is committed
        with pytest.raises(KeyboardInterrupt):
            submit(services, sources(20), submission_key="key")
    (job,) = services.repository.jobs(limit=2)
    items = services.repository.items(job.id, limit=100)
    assert items
    assert {info.key for info in services.store.list("jobs/")} == {item.source_key for item in items}


class Written:
    """A file that is written to: each look at it may find it grown."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = iter(sizes)
        self.size = 0
        self.born = time.time_ns()

    def version(self) -> FileVersion:
        self.size = next(self.sizes, self.size)
        return FileVersion(self.size, time.time_ns())

    def source(self, path: str = "growing.png") -> Source:
        return Source(path, lambda: b"x" * self.size, self.version)


class Settled(Written):
    """The same, of which the time stands still where the size does."""

    def version(self) -> FileVersion:
        self.size = next(self.sizes, self.size)
        return FileVersion(self.size, self.born + self.size)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(upload, "_FRESH_SECONDS", 1000.0)


def test_a_file_that_changes_while_it_is_read_fails(services: Services, hasty: None) -> None:
    job_id = submit(services, [*sources(2), Written().source()])
    bad = services.repository.items(job_id, limit=1, after=1)[0]
    assert (bad.error_code, bad.source_key) == ("changed", None)
    assert services.repository.job(job_id).counts == ItemCounts(pending=2, failed=1)


def test_a_file_that_was_still_being_written_is_taken_anew(services: Services, hasty: None) -> None:
    seen: list[SubmissionProgress] = []
    growing = Settled(5, 5, 9, 9, 9)
    job_id = submit(services, [*sources(2), growing.source()], on_progress=seen.append)
    taken = {item.path: item.source_key for item in services.repository.items(job_id, limit=9)}
    assert services.store.get(str(taken["growing.png"])) == b"x" * 9
    assert services.repository.job(job_id).counts == ItemCounts(pending=3)
    assert seen[-1].changed == 1


def test_a_file_that_never_comes_to_its_end_fails_rather_than_halfway(services: Services, hasty: None) -> None:
    growing = Settled(1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8)  # whole while it is read, another at the next look
    job_id = submit(services, [*sources(2), growing.source()])
    [bad] = [item for item in services.repository.items(job_id, limit=9) if item.path == "growing.png"]
    assert (bad.error_code, bad.source_key) == ("changed", None)
    assert bad.error is not None
    assert "submit it again" in bad.error


def test_two_processes_that_submit_the_same_fill_one_job(services: Services) -> None:
    started = Barrier(2, timeout=60)

    def begin(_job_id: str, _resumed: bool) -> None:
        started.wait()

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(submit, services, sources(60), submission_key="k", on_start=begin) for _ in range(2)]
        job_ids = {each.result(timeout=120) for each in both}
    [job] = services.repository.jobs(limit=9)
    assert job_ids == {job.id}
    items = services.repository.items(job.id, limit=100)
    assert sorted(item.path for item in items) == sorted(source.path for source in sources(60))
    assert {info.key for info in services.store.list("jobs/")} == {item.source_key for item in items}


def test_a_lost_answer_to_the_last_step_makes_no_second_job(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([DatabaseUnavailable("the answer was lost"), None])

    def seal(job_id: str) -> None:
        Repository.seal(services.repository, job_id)
        if error := next(answers):
            raise error

    monkeypatch.setattr(services.repository, "seal", seal)
    monkeypatch.setattr(submission, "_FIRST_SEAL_PAUSE_SECONDS", 0.0)
    job_id = submit(services, sources(5), submission_key="k")
    assert [job.id for job in services.repository.jobs(limit=10)] == [job_id]
    assert services.repository.job(job_id).counts.total == 5


def test_a_synthetic_job_is_determined_by_its_spec(services: Services) -> None:
    spec = SyntheticSpec(count=9, seed=3, num_dots=40, severity_from=0.0, severity_to=1.0, noise="gaussian")
    first, second = (submit_synthetic(services, spec, name="n", submitted_by="t") for _ in range(2))
    made = [[item.synthesis for item in services.repository.items(job, limit=20)] for job in (first, second)]
    assert made[0] == made[1]
    assert len({item["seed"] for item in made[0]}) == 9
    assert [item["severity"] for item in made[0]] == [n / 8 for n in range(9)]
    assert {(item["num_dots"], item["jitter"], item["noise"]) for item in made[0]} == {(40, None, "gaussian")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0), ("count", 10**7), ("seed", -1), ("num_dots", 0), ("jitter", -0.1), ("jitter", float("nan")),
        ("severity_to", 1.5), ("severity_from", 0.9), ("noise", "pink"),
    ],
)  # fmt: skip
def test_a_spec_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name.partition("_")[0]):
        SyntheticSpec(**({"count": 1} | {name: value}))  # type: ignore[arg-type]


def test_flat_memory_however_many_sources(services: Services) -> None:
    """At no time are more sources read than two shards and the threads' hands hold."""
    ahead: list[int] = []

    def counted() -> Iterator[Source]:
        for n in itertools.count():
            if n == 100:
                return
            committed = sum(job.counts.total for job in services.repository.jobs(limit=1))
            ahead.append(n - committed)
            yield from sources(1, start=n)

    submit(services, counted())
    assert max(ahead) <= 3 * services.settings.shard_size
