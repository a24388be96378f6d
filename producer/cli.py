"""The command line: its commands, and what all of them take.

What needs numpy or Pillow is imported by the commands that use it: others start faster, and submitting is smaller.
"""

import click

from producer.check import check_command
from producer.clone import clone
from producer.exits import EXIT_CODES_HELP
from producer.export import export_command
from producer.following import cancel, download, retry, status, watch
from producer.making import demo, segment, submit
from producer.watch_folder import watch_folder
from shared.commandline import Program
from shared.version import code_version


@click.group("producer", cls=Program, epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(code_version(), prog_name="producer")
@click.option(
    "--api", metavar="URL", help="Work through the HTTP API of this admin, with the token that DELINEATE_TOKEN holds."
)
def main(api: str | None) -> None:
    """Submit images for segmentation, follow the jobs, download the results.

    JOB is a job's id, its last characters (four or more), or `last` for the newest job.
    """


for _command in (
    submit, watch_folder, check_command, segment, demo, status, watch, download, export_command, cancel, retry, clone,
):  # fmt: skip
    main.add_command(_command)
