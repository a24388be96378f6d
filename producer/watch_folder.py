"""`producer watch-folder`: rounds over a folder until Ctrl-C, and a line of what they did, at most one a minute."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from producer.access import opened
from producer.bucket import BucketSources, wanted_among
from producer.chosen import Choice, sources_of
from producer.display import Display
from producer.options import (
    FOLDER,
    channel_option,
    priority_option,
    scale_option,
    unfamiliar_option,
)
from producer.points.options import points_options
from producer.rolling import Done, Rolling, Watched, WatchedFolder, told
from producer.unfinished import Request
from shared.commandline import Interrupted
from shared.jobs.records import Priority, Unfamiliar

if TYPE_CHECKING:
    from producer.points.sources import PointChoice

_TOLD_SECONDS = 60.0
_PAUSE_SECONDS = 2.0
_BUCKET_PAUSE_SECONDS = 10.0  # whose listings are paid for
_SHARE_OF_TIME = 10  # a large folder takes long to list, and is left alone for so many times as long


@click.command("watch-folder")
@click.argument("folder", metavar="DIR|s3://BUCKET/PREFIX", type=FOLDER)
@click.option("--recursive/--no-recursive", "-r", default=False, help="Watch subfolders too.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches, as of submit.")
@points_options
@click.option("--name", help="Name of the jobs. Without it: the folder's name.")
@click.option(
    "--still",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Take a file once its size and time have stayed the same for so long; of a bucket, at once.",
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Seal a job of so many images, and begin another.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    metavar="H",
    help="Seal a job that is so old.",
)
@scale_option
@unfamiliar_option
@channel_option
@priority_option
def watch_folder(
    folder: Path,
    recursive: bool,
    exclude: tuple[str, ...],
    points: "PointChoice | None",
    name: str | None,
    still: float,
    images: int,
    hours: float,
    scale: float,
    unfamiliar: Unfamiliar,
    channel: str,
    priority: Priority,
) -> None:
    """Submit what appears in a folder or behind a bucket's prefix, each file once and only when whole, until Ctrl-C.

    The images (or --points) go to a job that stays open, and is sealed by a count, its age or Ctrl-C; what lies in a
    bucket stays there. Started again it goes on: what was taken stands in the database. Where the folder or a service
    is away, it waits.
    """
    display = Display()
    request = Request(name, priority, scale, unfamiliar, channel)
    choice = Choice(recursive=recursive, exclude=exclude, points=points)
    wanted = wanted_among([folder], choice)
    with opened() as services:
        services.check()

        def listed() -> Watched:
            if wanted is not None:
                return BucketSources(services, wanted)
            return sources_of([folder], choice, max_bytes=services.settings.max_source_bytes)

        if wanted is not None:
            services.buckets.check(wanted.place)
            still, pause = 0.0, _BUCKET_PAUSE_SECONDS  # what is listed there is whole
        else:
            pause = min(still, _PAUSE_SECONDS)
        watched = WatchedFolder(services, listed, request, Rolling(still, images, hours * 3600))
        display.line(f"watching {wanted.address if wanted else folder}; Ctrl-C seals the job and ends it")
        try:
            _go_round(watched, pause, display)
        except KeyboardInterrupt as error:
            job_id = watched.seal()
            follows = f"; `producer watch {job_id}` follows its last job" if job_id else ""
            raise Interrupted(f"the folder is watched no more{follows}") from error


def _go_round(watched: WatchedFolder, pause: float, display: Display) -> None:
    told_at = -_TOLD_SECONDS
    while True:
        began = time.monotonic()
        watched.round()
        if watched.done and time.monotonic() - told_at >= _TOLD_SECONDS:
            display.line(f"{time.strftime('%H:%M')} {told(watched.done, watched.waiting)}")
            watched.done = Done()
            told_at = time.monotonic()
        time.sleep(max(pause, _SHARE_OF_TIME * (time.monotonic() - began)))
