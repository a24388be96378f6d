import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from admin import cli
from admin.commands.prune import seconds_of
from shared.db.tables.jobs import JobRow
from shared.errors import UsageError
from shared.services import Services
from shared.store import keys
from tests.unit.upkeep.stored import finish, submit


@pytest.fixture
def services(own_services: Services) -> Services:
    return own_services


@pytest.fixture
def job(services: Services) -> str:
    """A job of two images that ended 40 days ago."""
    job_id = submit(services.repository, services.store, 2)
    finish(services.repository, services.claims, services.store, job_id)
    with services.database.write() as connection:
        connection.execute(update(JobRow).values(finished_at=JobRow.finished_at - 40 * 86400))
    return job_id


def admin(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def test_an_audit_says_what_is_wrong_by_its_exit_code_too(services: Services, job: str):
    clean = admin("audit")
    assert (clean.exit_code, clean.stdout) == (0, "1 job, 2 items, 6 objects: nothing is wrong\n")
    item = services.repository.items(job, limit=1)[0]
    services.store.delete([str(item.mask_key)])
    found = admin("audit", job[-6:])
    assert found.exit_code == 1
    assert found.stdout == (
        f"missing: job {job} item {item.id}: {item.mask_key} is not in the object store\n"
        "1 job, 2 items, 5 objects: 1 finding\n"
    )
    report = json.loads(admin("audit", "--deep", "--json").stdout)
    assert report["clean"] is False
    assert [(each["kind"], each["item"], each["key"]) for each in report["findings"]] == [
        ("missing", item.id, item.mask_key)
    ]


def test_a_repair_says_what_it_did_and_looks_again(services: Services, job: str):
    services.store.put(keys.mask(job, job), b"of nobody")
    result = admin("audit", "--repair")
    assert (result.exit_code, result.stdout) == (
        0, "1 orphaned object deleted\n1 job, 2 items, 6 objects: nothing is wrong\n"
    )  # fmt: skip


def test_an_unknown_job_is_one_line(services: Services):
    result = admin("audit", "abcdef")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no job's id ends in abcdef")


def test_prune_removes_what_is_old_enough_after_showing_it(services: Services, job: str):
    assert admin("prune", "--older-than", "41d").stdout == "removed 0 jobs\n"
    assert admin("prune", "--older-than", "30d", "--dry-run").stdout == f"{job}\nwould remove 1 job\n"
    assert admin("prune", "--older-than", "30d", "--sources-only").stdout == "removed the sources of 1 job\n"
    assert sorted(services.store.folders(keys.job_prefix(job))) == sorted(
        f"jobs/{job}/{folder}/" for folder in ("mask", "prob", "source")
    )
    assert list(services.store.list(f"jobs/{job}/source/")) == []
    assert admin("audit", "--deep").exit_code == 0
    assert admin("prune", "--older-than", "30d").stdout == "removed 1 job\n"
    assert list(services.store.folders("jobs/")) == []
    assert services.repository.jobs(limit=1) == []


def test_an_age_is_a_number_with_a_unit():
    assert [seconds_of(age) for age in ("90s", "2m", "1.5h", "30D", "2w")] == [90, 120, 5400, 30 * 86400, 14 * 86400]
    for wrong in ("30", "d", "-1d", "1y", ""):
        with pytest.raises(UsageError, match="is no age"):
            seconds_of(wrong)
    result = admin("prune", "--older-than", "soon")
    assert (result.exit_code, result.stderr.startswith("error: 'soon' is no age")) == (2, True)
