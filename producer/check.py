"""`producer check`: what would become of images if they were submitted, and what to do about it first."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from producer.access import opened
from producer.bucket import BucketSources, wanted_among
from producer.chosen import Choice, sources_of
from producer.display import Display
from producer.options import channel_option, choosing_options, json_option, paths_argument
from producer.points.options import points_options
from producer.report import print_json
from producer.sample import MOST, sampled, spread
from shared.commandline import ExitCode, on_interrupt, plural, printable
from shared.errors import DelineateError, ItemErrorCode, UsageError
from shared.flows.exports.export import absent
from shared.flows.pages import PageChoice
from shared.jobs.pace import pace_of, rate_text, worked_of
from shared.services import Services
from shared.tables import Column, console, print_table

if TYPE_CHECKING:
    from producer.points.sources import PointChoice
    from producer.preflight import Findings
    from producer.sources import Sources

STEPS = {
    ItemErrorCode.UNREADABLE: "give yourself the right to read them (`chmod u+r`), or --exclude them",
    ItemErrorCode.SYMLINK_OUTSIDE: "--follow-links takes what the links lead to",
    ItemErrorCode.NOT_A_FILE: "--exclude them: only files are read",
    ItemErrorCode.BAD_NAME: "rename them",
    ItemErrorCode.TOO_MANY_BYTES: "compress or cut them, or raise MAX_SOURCE_BYTES",
    ItemErrorCode.BAD_TRUTH: "mend these masks of --truth, or leave them out of its folder",
    ItemErrorCode.BAD_MANIFEST: "mend these rows of the manifest",
    ItemErrorCode.BAD_POINTS: "mend these tables, or --exclude them",
    ItemErrorCode.CHANGED: "wait until they are written, and check again",
    ItemErrorCode.EMPTY_FILE: "copy them again from where they came from",
    ItemErrorCode.NOT_AN_IMAGE: "--exclude them",
    ItemErrorCode.UNSUPPORTED_FORMAT: "convert them to TIFF or PNG, in 8 or 16 bits",
    ItemErrorCode.ANIMATED: "save their frames as single images",
    ItemErrorCode.TRUNCATED: "copy them again from where they came from",
    ItemErrorCode.TOO_SMALL: "--exclude them, or submit the pictures that they are thumbnails of",
    ItemErrorCode.TOO_LARGE: "cut them into tiles",
    ItemErrorCode.NO_SUCH_CHANNEL: "submit them on their own, with a --channel that they have",
    ItemErrorCode.NO_SUCH_PAGE: "submit them on their own, with --pages that they have",
    ItemErrorCode.NOT_FINITE: "replace NaN and infinity in them",
    ItemErrorCode.DECODE_TIMEOUT: "save them without compression, or raise DECODE_SECONDS",
    ItemErrorCode.DECODE_MEMORY: "convert them to plain grey of 8 or 16 bits",
    ItemErrorCode.DECODER_CRASHED: "save them anew with another program",
}
"""What to do first about images that would fail, by the code that they would fail with."""

_NOTE_STEPS = {"pages": "--pages all makes each page an image", "channels": "--channel says which is taken"}
_NO_SAMPLE = "sample: --sample 8 segments eight of them, and says what would be flagged as unfamiliar"
_NEEDS = ("imagecodecs", "tifffile")
_SHAPES = 5
_JOBS = 20
# Of masks (1 bit) and probability maps (8 bits), which are compressed: more than that they are not.
_RESULT_BYTES_PER_PIXEL = 9 / 8


@click.command("check")
@paths_argument
@choosing_options
@points_options
@channel_option
@click.option(
    "--sample", type=click.IntRange(0, MOST), default=0, show_default=True, metavar="N",
    help="Segment so many of them, as a job of its own, and say what would be flagged as unfamiliar; needs a stack.",
)  # fmt: skip
@json_option
def check_command(
    paths: tuple[Path, ...],
    recursive: bool,
    follow_links: bool,
    exclude: tuple[str, ...],
    manifest: Path | None,
    pages: PageChoice,
    channel: str,
    sample: int,
    points: "PointChoice | None",
    as_json: bool,
) -> None:
    """Look at images before they are submitted: read and decode each as a worker would; only a --sample is sent.

    Takes what `submit` would take, of a bucket too. Says what is there, what would fail and why, what is there twice,
    and how long it will take where a stack answers. Ends with 1 where an image would fail.
    """
    if not paths and manifest is None:
        raise click.UsageError("give a folder, files, or a --manifest")
    if missing := absent(_NEEDS):
        raise UsageError(f"producer check needs {' and '.join(missing)}: pip install 'delineate[export]' brings it")
    from producer.preflight import Preflight
    from shared.images.decoded import DecodeLimits

    display = Display()
    with opened() as services, on_interrupt("interrupted; nothing was submitted"):
        settings = services.settings
        choice = Choice(recursive, follow_links, pages, exclude, manifest, points)
        sources = _sources(services, paths, choice)
        survey = sources.survey()
        for note in survey.notes():
            display.line(f"note: {note}")
        limits = DecodeLimits(
            settings.min_image_side, settings.max_image_side, settings.max_image_pixels, settings.max_source_bytes
        )
        with display.progress("checking", survey.images) as bar:
            findings = Preflight(limits, seconds=settings.decode_seconds, channel=channel).run(sources, bar)
        time, seconds = expected_time(services, findings.usable)
        found = None
        if sample and findings.usable:
            some = spread(sources, findings.images, sample)
            found = sampled(services, some, name=f"sample of {sources.base}", channel=channel)
    if as_json:
        print_json(_json(findings, seconds) | {"sample": found and found.json()})
    else:
        _print(findings, sources.base, [time, *(found.lines() if found else [_NO_SAMPLE])])
    if findings.failing:
        raise click.exceptions.Exit(ExitCode.SOME_FAILED)


def _sources(services: Services, paths: tuple[Path, ...], choice: Choice) -> "Sources | BucketSources":
    if (wanted := wanted_among(paths, choice)) is None:
        return sources_of(paths, choice, max_bytes=services.settings.max_source_bytes)
    from producer.remote.services import RemoteServices

    if isinstance(services, RemoteServices):
        raise UsageError("a check reads the objects of a bucket itself: run it beside the stack, without --api")
    return BucketSources(services, wanted)


def expected_time(services: Services, images: int) -> tuple[str, float | None]:
    """Return in words how long so many images will take, and in seconds; None where that is not known.

    The rate is that of the newest job that has one; what waits already goes before.
    """
    try:
        services.database.check()
        jobs = services.repository.jobs(limit=_JOBS)
    except DelineateError as error:
        return f"time: not known, for no stack answers ({error})", None
    paces = ((job, pace_of(job, worked_of(job)).images_per_second) for job in jobs)
    job, rate = next(((job, rate) for job, rate in paces if rate), (None, None))
    if job is None or rate is None:
        return "time: not known until a first job has run here", None
    before = sum(each.counts.pending + each.counts.running for each in jobs if not each.state.is_final)
    seconds = (images + before) / rate
    waiting = f", after {plural(before, 'image')} that wait already" if before else ""
    return f"time: about {_duration(seconds)} at {rate_text(rate)} images/s, the rate of job {job.id}{waiting}", seconds


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _storage(findings: "Findings") -> int:
    return findings.size + round(findings.pixels * _RESULT_BYTES_PER_PIXEL)


def _print(findings: "Findings", base: str, more: list[str]) -> None:
    to = console()
    columns = [Column("format"), Column("channels"), Column("bits", right=True), Column("images", right=True)]
    kinds = sorted(findings.kinds.items(), key=lambda each: (-each[1], each[0].format, each[0].channels))
    rows = [(kind.format, kind.channels, str(kind.bits or ""), f"{count:,}") for kind, count in kinds]
    print_table(to, columns, rows, title=f"{plural(findings.images, 'image')} from {printable(base)}")
    if findings.problems:
        _print_problems(findings)
    for line in [*_lines(findings), *more]:
        to.print(Text(printable(line)), soft_wrap=True)


def _print_problems(findings: "Findings") -> None:
    columns = [Column("code"), Column("images", right=True), Column("path", wraps=True), Column("reason", wraps=True)]
    rows: list[tuple[str, ...]] = []
    for code, problem in sorted(findings.problems.items()):
        for index, (path, reason) in enumerate(problem.examples):
            head = (code.value, f"{problem.count:,}") if index == 0 else ("", "")
            rows.append((*head, printable(path), printable(reason)))
        if problem.count > len(problem.examples):
            rows.append(("", "", f"… and {problem.count - len(problem.examples):,} more", ""))
    print_table(console(), columns, rows, title="would fail")


def _lines(findings: "Findings") -> list[str]:
    lines = [f"{code}: {STEPS[code]}" for code in sorted(findings.problems) if code in STEPS]
    if findings.shapes:
        sizes = [f"{w}×{h} px ({count:,})" for (w, h), count in findings.shapes.most_common(_SHAPES)]
        more = len(findings.shapes) - len(sizes)
        lines.append("sizes: " + ", ".join(sizes) + (f" and {more:,} more sizes" if more else ""))
    if findings.copies:
        shown = [f"{copy} = {first}" for copy, first in findings.copied]
        rest = ", …" if findings.copies > len(shown) else ""
        lines.append(
            f"copies: {plural(findings.copies, 'image')} with the very bytes of another, {', '.join(shown)}{rest}; "
            "--exclude leaves them out"
        )
    for note, count in findings.notes.most_common():
        step = f" ({_NOTE_STEPS[note]})" if note in _NOTE_STEPS else ""
        lines.append(f"{note}: {note.label} in {plural(count, 'image')}{step}")
    if findings.usable:
        lines.append(
            f"storage: at most {_storage(findings) / 1e6:,.1f} MB, of that {findings.size / 1e6:,.1f} MB of sources"
        )
    failing = f", {findings.failing:,} would fail" if findings.failing else ""
    return [*lines, f"{plural(findings.usable, 'image')} can be segmented{failing}"]


def _json(findings: "Findings", seconds: float | None) -> dict[str, Any]:
    return {
        "images": findings.images,
        "usable": findings.usable,
        "failing": findings.failing,
        "kinds": [{**kind._asdict(), "images": count} for kind, count in findings.kinds.most_common()],
        "sizes": [{"width": w, "height": h, "images": count} for (w, h), count in findings.shapes.most_common()],
        "notes": {note.value: count for note, count in findings.notes.items()},
        "problems": [
            {
                "code": code.value,
                "images": problem.count,
                "step": STEPS.get(code),
                "examples": [{"path": path, "reason": reason} for path, reason in problem.examples],
            }
            for code, problem in sorted(findings.problems.items())
        ],
        "copies": findings.copies,
        "bytes": findings.size,
        "storage_bytes": _storage(findings),
        "seconds": seconds,
    }
