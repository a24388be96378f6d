"""What the exit codes of `producer` mean, and which one the end of a job has."""

from shared.commandline import ExitCode, exit_codes_help
from shared.jobs.state import JobStatus

EXIT_CODES_HELP = exit_codes_help(
    {
        ExitCode.SUCCEEDED: "done; where the command waited for a job, all of its images succeeded",
        ExitCode.SOME_FAILED: "the job finished, and some or all of its images failed",
        ExitCode.CANCELLED: "the job was cancelled",
    }
)

_OF_JOB = {
    JobStatus.SUCCEEDED: ExitCode.SUCCEEDED,
    JobStatus.PARTIAL: ExitCode.SOME_FAILED,
    JobStatus.FAILED: ExitCode.SOME_FAILED,
    JobStatus.CANCELLED: ExitCode.CANCELLED,
}


def exit_code_of(state: JobStatus) -> ExitCode:
    """Return the exit code for a job that was waited for; `state` is final."""
    return _OF_JOB[state]
