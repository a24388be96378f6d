"""The export `report`: one HTML file that holds all that it shows, for people without an account.

Counts, failures by cause, distributions, the least trusted results with pictures, grades, and what made the results.
"""

import base64
from collections.abc import Iterable, Iterator
from html import escape

from shared.db.measurements import MEASUREMENTS, Measurement
from shared.db.reasons import sentence_of
from shared.flows.exports.export import Export, ExportFile, Lack, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.per_image import file_of, mask_and_source_of
from shared.flows.exports.report_numbers import BINS, WORST, Distribution, Numbers, moment
from shared.jobs.records import Item
from shared.version import code_version

REPORT_HTML = "report.html"
_PICTURE_SIDE = 240  # px
_DIGITS_OF_SHARES = 3
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #59636e; --ground: #fff; --panel: #f3f5f7; --line: #d1d9e0;
 --bar: #0b63ad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #9aa5b1; --ground: #14171b; --panel: #1e2329;
 --line: #3a424c; --bar: #62b0f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
 font: 1rem/1.5 system-ui, sans-serif; }
h1 { line-height: 1.2; overflow-wrap: anywhere; } h2 { margin-top: 2.5rem; }
.quiet, figcaption, small { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top;
 border-bottom: 1px solid var(--line); } th, td.number { white-space: nowrap; } td.number { text-align: right; }
td { overflow-wrap: anywhere; min-width: 9rem; } td.number { min-width: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; padding: 0; }
figure { margin: 0; padding: .8rem; background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
 min-width: 0; overflow-wrap: anywhere; }
figure img { display: block; max-width: 100%; margin: 0 auto .5rem; }
svg { display: block; width: 100%; height: 6rem; } svg rect { fill: var(--bar); }
.ends { display: flex; justify-content: space-between; }
dl.numbers { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
dl.numbers div { display: flex; flex-direction: column-reverse; }
dl.numbers dd { margin: 0; font-size: 1.6rem; }
@media print { figure { break-inside: avoid; } }
"""


def report_html(results: JobResults) -> Iterator[bytes]:
    """Yield the report, a section a block."""
    numbers = Numbers(results.items())
    for section in _sections(results, numbers):
        yield section.encode(errors="replace")


def _sections(results: JobResults, numbers: Numbers) -> Iterator[str]:
    job = results.job
    title = escape(job.name or "unnamed job")
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        "<body><main>"
        f'<h1><bdi>{title}</bdi></h1><p class="quiet">Job {job.id}, {escape(job.state.value)}, submitted by '
        f"{escape(job.submitted_by)} on {moment(job.created_at)}</p>"
    )
    if asked := results.wanted.words():
        conditions = ", ".join(f"{name} = {value}" for name, value in asked.items())
        yield f"<p><strong>Only some images of the job</strong>: {escape(conditions)}</p>"
    yield _counts(numbers)
    if numbers.causes:
        yield _failures(numbers)
    yield _distributions(numbers)
    yield from _worst(results, numbers.worst)
    yield _provenance(results, numbers)
    yield f'<p class="quiet">Made by delineate {escape(code_version())}.</p></main></body></html>\n'


def _counts(numbers: Numbers) -> str:
    told = {"images": numbers.states.total(), **numbers.states, **numbers.marks}
    if numbers.objects is not None:
        told["objects"] = numbers.objects
    graded = {"accepted": 0, "rejected": 0, "unsure": 0} | numbers.grades
    if numbers.grades or numbers.corrected:
        review = _figures(graded | {"corrected by hand": numbers.corrected})
    else:
        review = '<p class="quiet">Nobody has graded these results.</p>'
    return f"<h2>Images</h2>{_figures(told)}<h2>Grades</h2>{review}"


def _figures(told: dict[str, int]) -> str:
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{count:,}</dd></div>" for name, count in told.items())
    return f'<dl class="numbers">{cells}</dl>'


def _failures(numbers: Numbers) -> str:
    rows = []
    for code, cause in sorted(numbers.causes.items(), key=lambda entry: -entry[1].count):
        examples = "<br>".join(f"<bdi>{escape(path)}</bdi>: {escape(reason)}" for path, reason in cause.examples)
        hidden = cause.count - len(cause.examples)
        more = f"<br><small>… and {hidden:,} more</small>" if hidden else ""
        cells = f'<td class="number">{cause.count:,}</td><th scope="row">{escape(code)}</th><td>{examples}{more}</td>'
        rows.append(f"<tr>{cells}</tr>")
    head = '<tr><th scope="col">Images</th><th scope="col">Cause</th><th scope="col">Such as</th></tr>'
    return (
        f'<h2>Failures</h2><div class="wide"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _distributions(numbers: Numbers) -> str:
    drawn = [
        _histogram(MEASUREMENTS[name], distribution)
        for name, distribution in numbers.distributions.items()
        if distribution.count
    ]
    return f'<h2>Distributions</h2><div class="cards">{"".join(drawn)}</div>' if drawn else ""


def _histogram(of: Measurement, distribution: Distribution) -> str:
    highest = max(distribution.bins)
    step = (distribution.high - distribution.low) / BINS
    bars = []
    for place, count in enumerate(distribution.bins):
        height, low = 100 * count / highest, distribution.low + place * step
        size = f'y="{100 - height:.1f}" width=".9" height="{height:.1f}"'
        if count:
            bars.append(f'<rect x="{place}" {size}><title>{low:,.4g} to {low + step:,.4g}: {count:,}</title></rect>')
    mean = f"mean {distribution.mean:,.{_DIGITS_OF_SHARES if distribution.high <= 1 else 1}f}"
    words = f"{of.label}: {mean} of {distribution.count:,}"
    return (
        f'<figure><svg viewBox="0 0 {BINS} 100" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">'
        f"{''.join(bars)}</svg>"
        f'<div class="ends quiet"><small>{distribution.low:g}</small><small>{distribution.high:,g}</small></div>'
        f"<figcaption><strong>{escape(of.label)}</strong>, {mean}<br>{escape(of.description)}"
        "</figcaption></figure>"
    )


def _worst(results: JobResults, items: list[Item]) -> Iterator[str]:
    if not items:
        return
    which = f"The {len(items)} least trusted results" if len(items) > 1 else "The least trusted result"
    yield f'<h2>{which}</h2><div class="cards">'
    for item in items:
        yield _card(item, _picture(results, item))
    yield "</div>"


def _card(item: Item, picture: str) -> str:
    scores = ", ".join(
        f"{of.label} {of.shown(value)} {of.unit}".rstrip()
        for name, of in MEASUREMENTS.items()
        if (value := getattr(item, name)) is not None
    )
    grade = f"<br>Graded {item.review.grade.value}" if item.review.grade else ""
    reason = f"<br>{escape(sentence_of(item.reason, item.reason_place))}" if item.reason else ""
    return (
        f"<figure>{picture}<strong><bdi>{escape(item.path)}</bdi></strong>"
        f"<figcaption>{escape(scores)}{grade}{reason}</figcaption></figure>"
    )


def _picture(results: JobResults, item: Item) -> str:
    def drawn(_item: Item, mask: bytes, source: bytes) -> bytes:
        from shared.flows.exports.drawing import thumbnail

        return thumbnail(mask, source, results.job.channel, _PICTURE_SIDE)

    data = file_of(item, item.path, mask_and_source_of, drawn).read(results.store)
    if isinstance(data, Lack):
        return f'<p class="quiet">No picture: {escape(data.reason)}</p>'
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def _provenance(results: JobResults, numbers: Numbers) -> str:
    told: list[tuple[str, Iterable[str]]] = [
        (name.replace("_", " "), (f"{value} ({count:,})" for value, count in counted.most_common()))
        for name, counted in numbers.provenance.items()
    ]
    told += [("results", [numbers.span]), ("scale", [f"{results.job.scale:g}"])]
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{"<br>".join(map(escape, values))}</td></tr>'
        for name, values in told
    )
    return f'<h2>What made them</h2><div class="wide"><table><tbody>{rows}</tbody></table></div>'


def _files(results: JobResults) -> Iterator[ExportFile]:
    yield WrittenFile(REPORT_HTML, lambda: report_html(results))


EXPORT = Export(
    "report", "Report, HTML", f"{REPORT_HTML}, counts, failures, distributions, the {WORST} least trusted, provenance",
    _files, lambda _: 1, top=(REPORT_HTML,),
)  # fmt: skip
