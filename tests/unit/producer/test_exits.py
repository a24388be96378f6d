import pytest

from producer.exits import exit_code_of
from shared.commandline import ExitCode
from shared.jobs.state import JobStatus


@pytest.mark.parametrize("state", [state for state in JobStatus if state.is_final])
def test_every_end_of_a_job_has_a_code(state: JobStatus) -> None:
    expected = {
        JobStatus.SUCCEEDED: ExitCode.SUCCEEDED,
        JobStatus.PARTIAL: ExitCode.SOME_FAILED,
        JobStatus.FAILED: ExitCode.SOME_FAILED,
        JobStatus.CANCELLED: ExitCode.CANCELLED,
    }
    assert exit_code_of(state) is expected[state]
