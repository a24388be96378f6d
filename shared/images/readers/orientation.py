"""How a file wants to be turned for people to look at it. Pixels are taken as stored; it is told."""

import struct

from shared.images.notes import Note, NoteCode

_TAG = 0x0112
_TURNS = {
    2: "mirrored left to right",
    3: "half a turn",
    4: "mirrored top to bottom",
    5: "mirrored and a quarter turn",
    6: "a quarter turn",
    7: "mirrored and a quarter turn",
    8: "a quarter turn to the left",
}
_MAX_ENTRIES = 1000


def orientation_notes(value: object) -> list[Note]:
    """Tell of an orientation (TIFF 6.0, page 36) that is not that of the pixels; anything but 2 to 8 is none."""
    if not isinstance(value, int) or value not in _TURNS:
        return []
    sentence = f"orientation {value} ({_TURNS[value]}) is not applied, the mask lies over the pixels as stored"
    return [Note(NoteCode.ORIENTATION, sentence)]


def exif_orientation(block: bytes) -> int:
    """Return the orientation in a block of EXIF, with or without its identifier; 1 where it has none."""
    block = block.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return 1
    (directory,) = struct.unpack_from(f"{order}I", block, 4)
    entries = block[directory + 2 :]
    count = int.from_bytes(block[directory : directory + 2], "little" if order == "<" else "big")
    for at in range(0, 12 * min(count, _MAX_ENTRIES), 12):
        if at + 12 > len(entries):
            break
        tag, kind = struct.unpack_from(f"{order}HH", entries, at)
        if tag == _TAG:
            return int(struct.unpack_from(f"{order}{'I' if kind == 4 else 'H'}", entries, at + 8)[0])
    return 1
