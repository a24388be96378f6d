import hashlib
from typing import Any

import pytest
from sqlalchemy import delete, exc, insert, text, update

from shared.db.database import Database
from shared.db.migrate import migrate
from shared.db.model_registry import ModelRegistry
from shared.db.tables.base import new_id
from shared.db.tables.models import ModelRow
from shared.errors import ItemErrorCode, UsageError
from shared.jobs.claims import Claims
from shared.jobs.records import NewItem
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.store import ObjectStore, keys, open_store
from tests.outcomes import failure
from tests.unit.conftest import MakeJob

SUMMARY: dict[str, Any] = {
    "architecture": "unet",
    "arguments": {"base": 2},
    "threshold": 0.5,
    "preprocessing": "standardise-v1",
    "metrics": {"val": {"dice": 0.86}},
}


@pytest.fixture
def store(tmp_path) -> ObjectStore:
    return open_store(f"memory://{tmp_path.name}")


@pytest.fixture
def registry(database: Database, store: ObjectStore) -> ModelRegistry:
    return ModelRegistry(database, store)


def publish(registry: ModelRegistry, weights: bytes, **summary: object) -> str:
    return registry.publish(weights, b"{}", name=weights.decode(), summary=SUMMARY | summary, by="ana").sha256


def test_a_published_model_has_its_files_and_what_to_choose_it_by(registry, store):
    sha256 = publish(registry, b"weights")
    assert sha256 == hashlib.sha256(b"weights").hexdigest()
    assert store.get(keys.model_weights(sha256)) == b"weights"
    assert store.get(keys.model_metadata(sha256)) == b"{}"
    [model] = registry.models()
    assert (model.sha256, model.name, model.size, model.published_by) == (sha256, "weights", 7, "ana")
    assert model.summary == SUMMARY
    assert registry.active() is None


def test_published_again_a_model_gets_newer_metrics_and_lost_files_back(registry, store):
    first = registry.model(publish(registry, b"weights"))
    store.delete([keys.model_weights(first.sha256)])
    publish(registry, b"weights", metrics={"val": {"dice": 0.87}})
    [again] = registry.models()
    assert again.published_at == first.published_at
    assert again.summary["metrics"] == {"val": {"dice": 0.87}}
    assert store.exists(keys.model_weights(first.sha256))


def test_a_published_models_threshold_is_fixed(registry, store):
    sha256 = publish(registry, b"weights")
    with pytest.raises(UsageError, match="published with another threshold"):
        registry.publish(b"weights", b"other", name="n", summary=SUMMARY | {"threshold": 0.4}, by="ana")
    assert registry.model(sha256).summary["threshold"] == 0.5
    assert store.get(keys.model_metadata(sha256)) == b"{}"


def test_a_model_is_named_by_the_first_digits(registry, database):
    sha256 = publish(registry, b"weights")
    assert registry.model(sha256[:4].upper()).sha256 == sha256
    with database.write() as connection:
        twin = sha256[:60] + ("0000" if sha256[60:] != "0000" else "ffff")
        connection.execute(
            insert(ModelRow).values(sha256=twin, name="n", summary={}, size=1, published_at=0.0, published_by="b")
        )
    assert registry.model(sha256).sha256 == sha256
    for reference, reason in (
        (sha256[:60], "several models begin with"),
        ("0" * 64, "there is no model"),
        ("abc", rf"there is no model 'abc'; there is weights \({sha256[:12]}\), n \({twin[:12]}\)$"),
        ("%%%%", "there is no model"),
        ("", "there is no model"),
    ):
        with pytest.raises(UsageError, match=reason):
            registry.model(reference)


def test_a_model_goes_by_its_name_and_of_several_the_newest_does(registry: ModelRegistry, database: Database):
    with pytest.raises(UsageError, match="no model is published yet"):
        registry.model("nuclei")
    first, second = publish(registry, b"first"), publish(registry, b"second")
    assert registry.rename("first", " nuclei ").sha256 == first
    assert registry.model("nuclei").sha256 == first
    registry.rename(second[:8], "nuclei")
    with database.write() as connection:
        connection.execute(update(ModelRow).where(ModelRow.sha256 == first).values(published_at=1.0))
    assert registry.model("nuclei").sha256 == second
    # A name goes before digits: whoever gave it meant it.
    registry.rename(first, second[:6])
    assert registry.model(second[:6]).sha256 == first
    assert publish(registry, b"second") == second  # published again it keeps its name
    assert registry.model(second).name == "nuclei"


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201, "\x1b[1m"])
def test_what_can_be_no_name_is_refused(registry: ModelRegistry, name: str):
    sha256 = publish(registry, b"weights")
    with pytest.raises(UsageError, match="a model's name has 1 to 200 characters"):
        registry.rename(sha256, name)
    with pytest.raises(UsageError, match="a model's name has 1 to 200 characters"):
        registry.publish(b"others", b"{}", name=name, summary=SUMMARY, by="ana")
    assert [model.name for model in registry.models()] == ["weights"]


def test_a_job_gets_the_model_and_the_threshold_that_it_asks_for(
    registry: ModelRegistry, repository: Repository, claims: Claims
):
    asked, active = publish(registry, b"nuclei"), publish(registry, b"coins")
    registry.activate(active, by="ana")

    def made(**said: Any) -> str:
        return repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", **said)

    job = repository.job(made(model="nuclei", threshold=0.25))
    assert (job.model, job.model_name, job.threshold) == (asked, "nuclei", 0.25)
    shard = repository.add_shard(job.id, [NewItem(id=new_id(), path="a.png", source_key="k")])
    claim = claims.claim(shard, worker="w")
    assert (claim.model, claim.threshold) == (asked, 0.25)
    usual = repository.job(made())
    assert (usual.model, usual.model_name, usual.threshold) == (active, "coins", None)
    for wrong, reason in (
        ({"model": "nucli"}, "there is no model 'nucli'; there is"),
        ({"threshold": 1.0}, "threshold is 1: give a number between 0 and 1"),
        ({"threshold": float("nan")}, "threshold is nan"),
    ):
        with pytest.raises(UsageError, match=reason):
            made(**wrong)
    assert len(repository.jobs(limit=9)) == 2  # no job is left of what was refused


def test_an_ended_submission_is_its_commands_while_that_would_get_the_same_model(
    registry: ModelRegistry, repository: Repository
):
    asked = publish(registry, b"nuclei")
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t", submission_key="key", model="nuclei")
    repository.add_shard(job_id, [NewItem(id=new_id(), path="a", error_code=ItemErrorCode.EMPTY_FILE, error="e")])
    repository.seal(job_id)
    repository.await_end(job_id, waits=True)
    repository.close_if_finished(job_id)
    assert repository.job(job_id).state.is_final
    assert repository.awaited_job("key", within=0.0, model=asked) == job_id
    assert repository.awaited_job("key", within=0.0) is None  # a new job would get each worker's own


def test_a_model_whose_files_are_gone_is_not_activated(registry, store):
    sha256 = publish(registry, b"weights")
    store.delete([keys.model_metadata(sha256)])
    with pytest.raises(UsageError, match="publish the model again"):
        registry.activate(sha256, by="ana")
    assert registry.active() is None


def test_rolling_back_goes_through_the_activations_down_to_the_workers_own(registry):
    first, second = publish(registry, b"first"), publish(registry, b"second")
    for sha256 in (first, second, second, first):  # the same again is no step
        assert registry.activate(sha256[:12], by="ana").sha256 == sha256
    assert registry.active() == registry.model(first)
    found = [registry.rollback(by="ben") for _ in range(3)]
    assert [model and model.sha256 for model in found] == [second, first, None]
    with pytest.raises(UsageError, match="nothing to roll back"):
        registry.rollback(by="ben")
    registry.activate(second, by="ana")
    assert registry.rollback(by="ben") is None  # what was rolled back does not come again


def test_a_job_keeps_the_model_that_was_active_when_it_was_made(registry, repository: Repository, make_job: MakeJob):
    before, _ = make_job(1)
    registry.activate(publish(registry, b"first"), by="ana")
    during, _ = make_job(1)
    registry.activate(publish(registry, b"second"), by="ana")
    after, _ = make_job(1)
    registry.rollback(by="ana")
    names = {model.sha256: model.name for model in registry.models()}
    found = [repository.job(job_id).model for job_id in (before, during, after)]
    assert [sha256 and names[sha256] for sha256 in found] == [None, "first", "second"]


def test_a_claim_names_its_jobs_model_after_a_retry_too(
    registry, repository: Repository, claims: Claims, make_job: MakeJob
):
    _, [plain] = make_job(2)
    sha256 = publish(registry, b"first")
    registry.activate(sha256, by="ana")
    job_id, [shard] = make_job(3)
    registry.activate(publish(registry, b"second"), by="ana")
    assert claims.claim(plain, worker="w").model is None
    claim = claims.claim(shard, worker="w")
    assert claim.model == sha256
    assert {item.job_id for item in claim.items} == {job_id}
    claims.complete(claim, [failure(item.id) for item in claim.items])
    repository.close_if_finished(job_id)
    repository.retry(job_id)
    assert claims.claim(shard, worker="w").model == sha256


def test_a_model_that_a_job_names_cannot_be_deleted(registry, database: Database, make_job: MakeJob):
    used, unused = publish(registry, b"used"), publish(registry, b"unused")
    registry.activate(used, by="ana")
    make_job(1)
    with pytest.raises(exc.IntegrityError), database.write() as connection:
        connection.execute(delete(ModelRow).where(ModelRow.sha256 == used))
    with database.write() as connection:
        connection.execute(delete(ModelRow).where(ModelRow.sha256 == unused))
    assert [model.sha256 for model in registry.models()] == [used]


def test_the_migration_keeps_every_job_shard_and_item(database_url: str):
    database = Database(database_url)
    migrate(database, "0001")
    job, shard, item = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(3))
    with database.write() as connection:
        for statement in (
            "INSERT INTO jobs (id, kind, name, state, priority, created_at, submitted_by)"
            f" VALUES ('{job}', 'images', 'n', 'queued', 0, 1.0, 's')",
            "INSERT INTO shards (id, job_id, number, total, pending, running, succeeded, failed, cancelled, not_before,"
            f" releases) VALUES ('{shard}', '{job}', 0, 1, 1, 0, 0, 0, 0, 0.0, 0)",
            "INSERT INTO items (id, job_id, shard_id, number, path, source_key, state, attempts, suspect)"
            f" VALUES ('{item}', '{job}', '{shard}', 0, 'a.png', 'k', 'pending', 0, false)",
        ):
            connection.execute(text(statement))
    migrate(database)
    database.check()
    assert Repository(database).job(job).model is None
    claim = Claims(database, lease_seconds=60, max_attempts=3).claim(shard, worker="w")
    assert [item.path for item in claim.items] == ["a.png"]
    database.close()
