"""What the segments of a JPEG tell before any of it is decoded: its kind, its orientation, other pictures in the file.

JPEG is a family, of which cameras and viewers know two members. The others are sound files that are not read here.
"""

import re
from dataclasses import dataclass, replace

from shared.errors import ImageError, ItemErrorCode
from shared.images.readers.orientation import exif_orientation

_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})  # by libjpeg-turbo, at 8 bits a sample
_KINDS = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xC9: "arithmetic-coded",
    0xCA: "arithmetic-coded",
    0xCB: "arithmetic-coded lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}
_JPEG_LS = 0xF7
_FRAMES = frozenset(_KINDS) | {0xC0, 0xC1, 0xC2, _JPEG_LS}
_START_OF_SCAN, _END, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_PICTURES = re.compile(rb"(?:\x01\xb0\x04\x00\x01\x00\x00\x00(....)|\xb0\x01\x00\x04\x00\x00\x00\x01(....))", re.DOTALL)
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class JpegHeader:
    """What was found up to the first scan."""

    frame: int | None = None  # marker of the frame, which says what kind of JPEG it is
    bits: int = 8
    channels: int = 1
    has_height: bool = True  # else it follows the first scan (DNL), as some scanners write it
    orientation: int = 1
    pictures: int = 1  # in the file, as stereo and panorama cameras write them (CIPA DC-007)


_SCAN_HEADER = b"\xff\xda"
_MAX_SCANS = 200  # encoders write some ten; of 2048×2048 pixels so many take a second


def parse_jpeg(data: bytes) -> JpegHeader:
    """Follow the segments as far as they go; what cannot be followed is for the decoder to refuse."""
    found = JpegHeader()
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_START_OF_SCAN, _END):
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        found = _with(found, marker, data[at + 4 : end])
        at = end
    return found


def require_read(header: JpegHeader) -> None:
    """Check that libjpeg-turbo reads JPEGs of this kind.

    Raises:
        ImageError: it does not, which says nothing against the file (`unsupported_format`).
    """
    if header.frame is None:
        return
    if header.frame == _JPEG_LS:
        kind = f"a JPEG-LS of {header.bits} bits a sample"
    elif header.bits != 8:
        kind = f"a {_KINDS.get(header.frame, '')} JPEG of {header.bits} bits a sample".replace("  ", " ")
    elif header.frame not in _READ:
        kind = f"a JPEG of the {_KINDS[header.frame]} kind"
    elif header.channels not in _CHANNELS:
        kind = f"a JPEG of {header.channels} channels"
    elif not header.has_height:
        kind = "a JPEG that says its height behind its first scan"
    else:
        return
    raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, f"{kind} is not read: convert it to PNG or TIFF")


def require_few_scans(data: bytes) -> None:
    """Check that the picture is not gone over too often: each scan costs as much as all pixels, and some bytes.

    Raises:
        ImageError: more scans than any encoder writes (`unsupported_format`).
    """
    scans = data.count(_SCAN_HEADER)  # in coded data a 0xFF byte is followed by zero or a restart marker
    if scans > _MAX_SCANS:
        reason = f"a JPEG of {scans:,} scans, where {_MAX_SCANS} are many: convert it to PNG or TIFF"
        raise ImageError(ItemErrorCode.UNSUPPORTED_FORMAT, reason)


def _with(found: JpegHeader, marker: int, payload: bytes) -> JpegHeader:
    if marker in _FRAMES and found.frame is None and len(payload) >= 6:
        return replace(found, frame=marker, bits=payload[0], channels=payload[5], has_height=any(payload[1:3]))
    if marker == _APP1 and payload.startswith(b"Exif\x00\x00") and found.orientation == 1:
        return replace(found, orientation=exif_orientation(payload))
    if marker == _APP2 and payload.startswith(b"MPF\x00"):
        return replace(found, pictures=_pictures(payload[4:]))
    return found


def _pictures(index: bytes) -> int:
    counts = _PICTURES.search(index)
    if counts is None:
        return 1
    little, big = counts.groups()
    return int.from_bytes(little, "little") if little is not None else int.from_bytes(big)
