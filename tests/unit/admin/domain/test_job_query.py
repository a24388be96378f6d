import pytest

from admin.domain.event_query import event_query
from admin.domain.job_query import filter_words, job_query
from shared.jobs.filters import JobFilter, JobSort
from shared.jobs.state import JobKind, JobStatus

NOW = 1_790_000_000.0


def test_an_address_says_which_jobs() -> None:
    typed = {"q": " liver ", "state": "open,failed", "kind": "images", "mine": "1", "since": "7d", "sort": "name"}
    query = job_query(typed | {"owner": "", "until": "8d"}, me="ana", now=NOW)
    assert query.problems == {"until": "give a time that is later than the one since when"}
    query = job_query(typed, me="ana", now=NOW)
    assert query.problems == {}
    assert query.sort is JobSort.NAME
    states = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.FAILED)
    assert query.filter == JobFilter(states, JobKind.IMAGES, "ana", since=NOW - 7 * 86400, text="liver")
    assert query.address(before="x")["state"] == "open,failed"
    assert "mine" in filter_words(query.typed)
    assert job_query({"since": "2026-11-01"}, me="", now=NOW).filter.since == 1793491200.0
    assert job_query({"since": "2026-11-01T01:00+01:00"}, me="", now=NOW).filter.since == 1793491200.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "done"), ("state", "failed,"), ("kind", "video"), ("since", "yesterday"), ("since", "9" * 7 + "d"),
        ("until", "2026-13-01"), ("cause", "bad luck"), ("model", "xyz"),
        ("model", "ab"), ("sort", "size"),
        ("before", "../etc"), ("mine", "yes"), ("q", "a\0b"), ("q", "x" * 201), ("page", "2"),
    ],
)  # fmt: skip
def test_each_wrong_value_has_a_line(name: str, value: str) -> None:
    query = job_query({name: value}, me="ana", now=NOW)
    assert list(query.problems) == [name]
    assert len(query.problems[name].splitlines()) == 1
    assert query.typed[name] == value.strip()


def test_several_wrong_values_are_all_named() -> None:
    assert set(job_query({"state": "x", "kind": "y", "q": "z"}, me="", now=NOW).problems) == {"state", "kind"}
    query = event_query({"what": "x", "from": "y", "job": "z", "since": "-", "who": "\n\0", "size": "1"}, now=NOW)
    assert set(query.problems) == {"what", "from", "job", "since", "who", "size"}
