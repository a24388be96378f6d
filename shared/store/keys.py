"""Every key in the object store, built and parsed here and nowhere else.

    jobs/{job}/source/{item}{ext}       the input as it was submitted; ext is lower case, or absent
    jobs/{job}/truth/{item}.png         the true mask of an item that has one, 1 bit
    jobs/{job}/mask/{item}.png          the predicted mask, 1 bit
    jobs/{job}/prob/{item}.png          the predicted probability, 8 bit
    jobs/{job}/correction/{item}-{id}.png   a mask corrected by hand, 1 bit; each one has an id of its own
    jobs/{job}/preview/{item}-{version}.webp   a small picture of a result, made when somebody first looks; 12 digits
    models/{sha256}/model.safetensors   a model's weights, named by the SHA-256 of this very file
    models/{sha256}/model.json          that model's metadata
    models/{sha256}/familiarity.safetensors   the scores that were fitted for it, where they were
    health/check                        a few bytes that `ObjectStore.check` writes and reads back

Keys are made of ids alone, never of a user's file names, so that writing a result again overwrites the same
object and no name can lead anywhere else.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.errors import UsageError

HEALTH_CHECK = "health/check"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}")
_VERSION = re.compile(r"[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(
    rf"jobs/(?P<job>{_UUID})/(?:(?P<folder>truth|mask|prob)/(?P<result>{_UUID})\.png"
    rf"|correction/(?P<corrected>{_UUID})-{_UUID}\.png"
    rf"|preview/(?P<seen>{_UUID})-[0-9a-f]{{12}}\.webp"
    rf"|source/(?P<source>{_UUID})(?P<ext>(?:{_EXTENSION.pattern})?))"
    rf"|models/(?P<sha256>{_SHA256.pattern})/(?P<file>model\.safetensors|model\.json|familiarity\.safetensors)"
    rf"|{HEALTH_CHECK}"
)


class KeyKind(StrEnum):
    """Kind of an object."""

    SOURCE = "source"
    TRUTH = "truth"
    MASK = "mask"
    PROBABILITY = "prob"
    CORRECTION = "correction"
    PREVIEW = "preview"
    MODEL_WEIGHTS = "model.safetensors"
    MODEL_METADATA = "model.json"
    MODEL_FAMILIARITY = "familiarity.safetensors"
    HEALTH_CHECK = "health"


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key taken apart. `job` and `item` are None for a model, `sha256` is None for an item."""

    kind: KeyKind
    job: str | None = None
    item: str | None = None
    ext: str = ""  # with its dot: ".png", or "" where the source has none
    sha256: str | None = None


def job_prefix(job: str | UUID) -> str:
    """Return the prefix of everything that belongs to a job: `jobs/{job}/`."""
    return f"jobs/{_canonical(job)}/"


def source(job: str | UUID, item: str | UUID, ext: str = "") -> str:
    """Return the key of a submitted input; `ext` goes through `sanitised_extension`."""
    return f"{job_prefix(job)}source/{_canonical(item)}{sanitised_extension(ext)}"


def truth(job: str | UUID, item: str | UUID) -> str:
    """Return the key of an item's true mask, of those that have one."""
    return f"{job_prefix(job)}truth/{_canonical(item)}.png"


def mask(job: str | UUID, item: str | UUID) -> str:
    """Return the key of an item's predicted mask."""
    return f"{job_prefix(job)}mask/{_canonical(item)}.png"


def probability(job: str | UUID, item: str | UUID) -> str:
    """Return the key of an item's predicted probability map."""
    return f"{job_prefix(job)}prob/{_canonical(item)}.png"


def correction(job: str | UUID, item: str | UUID, own: str | UUID) -> str:
    """Return the key of a corrected mask of an item; `own` is the correction's id, so that none replaces another."""
    return f"{job_prefix(job)}correction/{_canonical(item)}-{_canonical(own)}.png"


def preview(job: str | UUID, item: str | UUID, version: str) -> str:
    """Return the key of a small picture of an item; `version` is 12 hexadecimal digits that change with its result."""
    if not _VERSION.fullmatch(version):
        raise UsageError(f"not a version of a result (12 lower-case hexadecimal digits): {version!r}")
    return f"{job_prefix(job)}preview/{_canonical(item)}-{version}.webp"


def model_weights(sha256: str) -> str:
    """Return the key of a model's weights; `sha256` is 64 lower-case hexadecimal digits."""
    return f"models/{_digest(sha256)}/{KeyKind.MODEL_WEIGHTS}"


def model_metadata(sha256: str) -> str:
    """Return the key of a model's metadata; `sha256` is that of its weights."""
    return f"models/{_digest(sha256)}/{KeyKind.MODEL_METADATA}"


def model_familiarity(sha256: str) -> str:
    """Return the key of the scores fitted for a model; `sha256` is that of its weights."""
    return f"models/{_digest(sha256)}/{KeyKind.MODEL_FAMILIARITY}"


def sanitised_extension(ext: str) -> str:
    """Return `ext` in lower case if it is a dot and 1 to 8 ASCII letters or digits, else the empty string."""
    lowered = ext.lower()
    return lowered if _EXTENSION.fullmatch(lowered) else ""


def parse(key: str) -> ParsedKey:
    """Take a key apart.

    Raises:
        UsageError: it is none of the keys above.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise UsageError(f"not a key of the object store: {key!r}")
    if match["folder"]:
        return ParsedKey(KeyKind(match["folder"]), match["job"], match["result"], ".png")
    if match["corrected"]:
        return ParsedKey(KeyKind.CORRECTION, match["job"], match["corrected"], ".png")
    if match["seen"]:
        return ParsedKey(KeyKind.PREVIEW, match["job"], match["seen"], ".webp")
    if match["source"]:
        return ParsedKey(KeyKind.SOURCE, match["job"], match["source"], match["ext"])
    if match["sha256"]:
        return ParsedKey(KeyKind(match["file"]), sha256=match["sha256"])
    return ParsedKey(KeyKind.HEALTH_CHECK)


def _canonical(identifier: str | UUID) -> str:
    text = str(identifier)
    if not re.fullmatch(_UUID, text):
        raise UsageError(f"not an id (a UUID in lower case, with hyphens): {text!r}")
    return text


def _digest(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"not a SHA-256 (64 lower-case hexadecimal digits): {sha256!r}")
    return sha256
