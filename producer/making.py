"""Commands that make a job: of images, of one image, or of synthetic ones."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from producer.access import opened
from producer.bucket import submit_wanted, wanted_among
from producer.chosen import Choice, TruthChoice
from producer.collect import destination_of
from producer.display import Display
from producer.options import (
    NamedOption,
    channel_option,
    choosing_options,
    definitions,
    model_options,
    noises,
    paths_argument,
    priority_option,
    scale_option,
    sheet_option,
    truth_options,
    unfamiliar_option,
    waiting_options,
)
from producer.outcome import conclude
from producer.points.options import points_options
from producer.segment import STANDARD, Asked, image_of, write
from producer.segment import segment as segment_one
from producer.submit import submit_paths
from producer.unfinished import Request
from shared.commandline import ExitCode, on_interrupt, plural
from shared.errors import ItemError, UsageError
from shared.flows.exports.export import Export
from shared.flows.pages import PageChoice
from shared.jobs.records import Priority, Unfamiliar
from shared.objects.options import PostProcessing
from shared.pixel_size import PixelSize

if TYPE_CHECKING:
    from producer.points.sources import PointChoice


@click.command()
@paths_argument
@choosing_options
@points_options
@click.option("--name", help="Name of the job. Without it: the folder's name.")
@model_options
@scale_option
@unfamiliar_option
@channel_option
@click.option(
    "--pixel-size",
    metavar="SIZE",
    callback=lambda _context, _option, text: None if text is None else PixelSize.parse(text),
    help="Size of a pixel with its unit, as 0.65um or 0.5x0.6um. Without it: what each TIFF says of its own.",
)
@click.option(
    "--smooth", type=int, default=0, metavar="PX", help="Smooth masks: each pixel as most within PX around it."
)
@click.option("--fill-holes", is_flag=True, help="Fill the holes of objects.")
@click.option("--min-area", type=int, default=0, metavar="PX", help="Drop objects of fewer pixels.")
@click.option("--keep-largest", is_flag=True, help="Keep each mask's largest object alone.")
@truth_options
@click.option(
    "--resume", metavar="JOB", help="Go on with this interrupted submission; it is found by itself as a rule."
)
@priority_option
@waiting_options
def submit(
    paths: tuple[Path, ...],
    recursive: bool,
    follow_links: bool,
    name: str | None,
    model: str | None,
    threshold: float | None,
    scale: float,
    unfamiliar: Unfamiliar,
    exclude: tuple[str, ...],
    manifest: Path | None,
    pages: PageChoice,
    channel: str,
    pixel_size: PixelSize | None,
    smooth: int,
    fill_holes: bool,
    min_area: int,
    keep_largest: bool,
    truth: Path | None,
    foreground: str | None,
    points: "PointChoice | None",
    resume: str | None,
    priority: Priority,
    wait: bool,
    folder: Path | None,
    export: Export,
    as_json: bool,
) -> None:
    """Submit images (or --points) as one job: a folder, files, or `s3://bucket/prefix`, whose images stay there.

    Of a folder, all files are taken that are images by extension or content, but for the results of earlier jobs; files
    that you name are always taken. The job's id is printed. When a submission is interrupted, the same command goes on
    where it was: with the upload, the wait or the download.
    """
    if not paths and manifest is None:
        raise click.UsageError("give a folder, files, or a --manifest")
    to = destination_of(folder, export)
    display = Display()
    waits = wait or to is not None
    choice = Choice(recursive, follow_links, pages, exclude, manifest, points)
    processing = PostProcessing(smooth, fill_holes, min_area, keep_largest)
    if truth is None and foreground is not None:
        raise click.UsageError("--foreground says what counts in the masks of --truth: give their folder")
    if points is not None and truth is not None:
        raise click.UsageError("--truth has masks of images: leave it away with --points")
    if points is not None and pixel_size is not None:
        raise click.UsageError("--pixel-size is for images: of --points, give --point-pixel and --point-unit")
    with opened() as services:
        request = Request(
            name,
            priority,
            scale,
            unfamiliar,
            channel,
            pixel_size,
            processing,
            model=model and services.repository.model_for(model),
            threshold=threshold,
            waits=waits,
            resume=resume,
            truth=None if truth is None else TruthChoice(truth, foreground),
        )
        with on_interrupt("interrupted; the same command goes on where it was"):
            if (wanted := wanted_among(paths, choice)) is not None:
                if truth is not None:
                    raise UsageError("--truth has masks of files: copy the images out of their bucket first")
                submission = submit_wanted(services, wanted, request, to=to, display=display)
            else:
                submission = submit_paths(services, paths, request, choice=choice, to=to, display=display)
        conclude(
            services, submission.job_id, display, str(submission), wait=wait, to=to, as_json=as_json, repeatable=True
        )


@click.command()
@click.argument("image", metavar="IMAGE|-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.argument("mask", metavar="[MASK]", default="-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@model_options
@scale_option
@unfamiliar_option
@channel_option
@click.option("--probability", is_flag=True, help="The probability map, 0 to 255, in place of the mask.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
def segment(
    image: Path,
    mask: Path,
    model: str | None,
    threshold: float | None,
    scale: float,
    unfamiliar: Unfamiliar,
    channel: str,
    probability: bool,
    timeout: float,
) -> None:
    """Segment one image, before all others, and write its mask as a PNG of 0 and 255.

    `-` is standard input or output, as in `producer segment - < in.png > out.png`.
    """
    asked = Asked(scale, unfamiliar, channel, timeout, probability, model, threshold)
    with opened() as services, on_interrupt("interrupted, and cancelled"):
        try:
            item, png = segment_one(services, image_of(image, services.settings.max_source_bytes), asked)
        except ItemError as error:
            Display().line(f"{'standard input' if image == STANDARD else image}: {error.code}: {error}")
            raise click.exceptions.Exit(ExitCode.SOME_FAILED) from error
        write(mask, png)
        if item.note:
            Display().line(f"note: {item.note}")


@click.command()
@click.option("--count", type=int, default=16, show_default=True, metavar="N", help="How many images.")
@click.option("--num-dots", type=int, help="Dots in a blob. Without it: 15 to 80, drawn for each image.")
@click.option("--jitter", type=float, help="Displacement of the dots, a share of the side. Without it: 0 to 0.02.")
@click.option("--severity", default="0.5", show_default=True, metavar="S|A:B", help="Noise from 0 to 1, or a range.")
@click.option(
    "--noise",
    cls=NamedOption,
    names=noises,
    metavar="KIND",
    help="{}. Without it: drawn for each image.",
)
@click.option(
    "--definition",
    cls=NamedOption,
    names=definitions,
    metavar="NAME",
    help="Of the task: {}. Without it: the reference benchmark, dotblob-v1.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Determines all images.")
@model_options
@priority_option
@waiting_options
@sheet_option
def demo(
    count: int,
    num_dots: int | None,
    jitter: float | None,
    severity: str,
    noise: str | None,
    definition: str | None,
    seed: int,
    model: str | None,
    threshold: float | None,
    priority: Priority,
    wait: bool,
    folder: Path | None,
    export: Export,
    as_json: bool,
    sheet: bool,
) -> None:
    """Submit synthetic images, which the worker generates, segments and scores against their truth."""
    from producer.demo import SeverityRange, submit_demo
    from shared.flows.synthetic import SyntheticSpec
    from shared.synth import DEFAULT_DEFINITION

    to = destination_of(folder, export, sheet=sheet)
    severities = SeverityRange.parse(severity)
    spec = SyntheticSpec(
        count=count,
        seed=seed,
        num_dots=num_dots,
        jitter=jitter,
        severity_from=severities.low,
        severity_to=severities.high,
        noise=noise,
        definition=definition or DEFAULT_DEFINITION,
    )
    display = Display()
    with opened() as services:
        if to:
            to.check_free(services.repository, None)
        with on_interrupt("interrupted; what was submitted is cancelled"):
            job_id = submit_demo(services, spec, priority=priority, model=model, threshold=threshold)
        said = f"submitted job {job_id}: {plural(count, 'synthetic image')}"
        conclude(services, job_id, display, said, wait=wait, to=to, as_json=as_json)
