"""Numbers and times as the pages write them. A value that is not known is a dash."""

from datetime import UTC, datetime

from markupsafe import Markup

from shared.db.measurements import MEASUREMENTS, NEED_SCORES, NEED_TRUTH, Measurement
from shared.db.reasons import sentence_of
from shared.images.scale import scale_text
from shared.jobs.pace import rate_text
from shared.jobs.records import Item
from shared.jobs.state import ItemStatus

NOTHING = "–"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`, `90 d`."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    hours = whole % _DAY // _HOUR
    return f"{whole // _DAY} d {hours} h" if hours else f"{whole // _DAY} d"


def ago(seconds: float) -> str:
    """How long ago, in the largest unit: `just now`, `40 s ago`, `5 min ago`, `3 h ago`, `12 d ago`."""
    if seconds < 5:
        return "just now"
    for unit, word in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {word} ago"
    return f"{int(seconds)} s ago"


def utc(timestamp: float | None) -> str:
    """A time as `2026-11-23 04:05:06 UTC`."""
    return NOTHING if timestamp is None else f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"


def local(timestamp: float | None) -> Markup | str:
    """A time that the browser writes in its reader's zone; in UTC where it has no script."""
    if timestamp is None:
        return NOTHING
    return Markup('<time datetime="{}">{}</time>').format(iso(timestamp), utc(timestamp))


def iso(timestamp: float) -> str:
    """A time for the `datetime` attribute of a `<time>`."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds")


def rate(images_a_second: float | None) -> str:
    """`12.3/s`, `0.075/s`: one unit, whatever is compared."""
    return NOTHING if images_a_second is None else f"{rate_text(images_a_second)}/s"


def count(number: int | None) -> str:
    """A whole number as `12,345`."""
    return NOTHING if number is None else f"{number:,}"


def share(value: float | None) -> str:
    """A share of one as `12.3 %`."""
    return NOTHING if value is None else f"{value * 100:.1f} %"


def explanation(item: Item) -> str:
    """Why an item's result may not be what one hoped for, as a sentence; empty where there is nothing to say."""
    return sentence_of(item.reason, item.reason_place)


def missing(item: Item) -> list[Measurement]:
    """The measurements that are not available, since nobody fitted them for the item's model."""
    has_result = item.state is ItemStatus.SUCCEEDED
    return [
        MEASUREMENTS[name]
        for name in MEASUREMENTS
        if name in NEED_SCORES and getattr(item, name) is None and has_result
    ]


def measured(item: Item) -> list[tuple[Measurement, str]]:
    """What was measured of an image, each with its value as text; what was measured against its truth comes first."""
    names = sorted(MEASUREMENTS, key=lambda name: name not in NEED_TRUTH)
    values = ((MEASUREMENTS[name], getattr(item, name)) for name in names)
    return [
        (measurement, f"{measurement.shown(value)} {measurement.unit}".rstrip())
        for measurement, value in values
        if value is not None
    ]


def value_of(item: Item, name: str) -> str:
    """The value of one measurement of an image, without its unit."""
    value = getattr(item, name)
    return NOTHING if value is None else MEASUREMENTS[name].shown(value)


def size(number: int | None) -> str:
    """Bytes as `17 B`, `4.2 KiB`, `512 MiB`."""
    if number is None:
        return NOTHING
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"


def capitalize_first(text: str) -> str:
    """A sentence that begins with a capital, whatever else is in it."""
    return f"{text[:1].upper()}{text[1:]}"


FILTERS = {
    "ago": ago, "capitalize_first": capitalize_first, "count": count, "duration": duration, "explanation": explanation,
    "iso": iso, "local": local, "measured": measured, "missing": missing, "rate": rate, "scale_text": scale_text,
    "share": share, "size": size, "utc": utc, "value_of": value_of,
}  # fmt: skip
