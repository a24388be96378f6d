"""Following a job while the database comes and goes."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from producer import watch
from shared.errors import DatabaseUnavailable, JobNotFound


def services(*answers: Exception | str) -> Any:
    following: Iterator[Exception | str] = iter(answers)

    def job(_job_id: str) -> str:
        answer = next(following)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(repository=SimpleNamespace(job=job))


def test_an_outage_is_told_once_and_waited_out_with_pauses_that_grow() -> None:
    lines: list[str] = []
    pauses: list[float] = []
    display: Any = SimpleNamespace(line=lines.append)
    outage = [DatabaseUnavailable("the database does not answer")] * 12
    found: Any = watch._read(services(*outage, "the job"), "id", display, sleep=pauses.append)
    assert found == "the job"
    assert lines == ["the database does not answer; trying again"]
    assert pauses[:3] == pytest.approx([0.1, 0.13, 0.169])
    assert pauses[-1] == 1.0


def test_after_the_longest_outage_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_MAX_OUTAGE_SECONDS", 0.0)
    with pytest.raises(DatabaseUnavailable, match="away"):
        watch._read(services(DatabaseUnavailable("away")), "id", SimpleNamespace(line=print))  # type: ignore[arg-type]


def test_a_job_that_is_not_there_does_not_come_by_waiting() -> None:
    with pytest.raises(JobNotFound):
        watch._read(services(JobNotFound("no job")), "id", SimpleNamespace(line=print))  # type: ignore[arg-type]
