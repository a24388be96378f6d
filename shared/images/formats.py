"""What the first bytes of a file say it is, and the names under which images are looked for."""

import re

READABLE = ("PNG", "JPEG", "TIFF", "BMP", "WebP")
"""The formats that `shared.images.codec.decode` reads."""

# Of the formats that are read, which a file dialog offers first.
READABLE_EXTENSIONS = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib", ".webp")
IMAGE_EXTENSIONS = frozenset(
    {
        *READABLE_EXTENSIONS,
        *(".gif", ".jp2", ".j2k", ".jpx", ".jxl", ".avif", ".heic", ".heif", ".ico", ".psd", ".tga"),
        *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".pcx", ".exr", ".hdr", ".dcm", ".fits", ".fit", ".fts", ".qoi"),
        *(".jpf", ".jpm", ".j2c", ".jpc", ".jph", ".jls", ".jxr", ".wdp", ".hdp", ".mpo", ".jps", ".dds", ".sgi"),
        # microscopes and slide scanners, many of them a TIFF by another name
        *(".lsm", ".stk", ".btf", ".tf2", ".tf8", ".tif8", ".ome", ".flex", ".qptiff", ".svs", ".ndpi", ".ndpis"),
        *(".scn", ".bif", ".vms", ".vmu", ".svslide", ".mrxs", ".afi", ".sis", ".czi", ".zvi", ".nd2", ".lif", ".lof"),
        *(".xlef", ".oib", ".oif", ".oir", ".vsi", ".ets", ".ims", ".sld", ".sldy", ".ipl", ".ids", ".ics", ".dm3"),
        *(".dm4", ".mrc", ".ser", ".emd", ".nrrd", ".nhdr", ".mha", ".nii", ".im3", ".gel", ".spe", ".dv", ".r3d"),
        # cameras
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".pef"),
        *(".srw", ".x3f", ".3fr", ".fff", ".iiq", ".dcr", ".kdc", ".mrw", ".erf", ".mef", ".mos", ".rwl"),
    }
)
"""Extensions, in lower case, of the files that a submitted folder is searched for.

Wider than READABLE: a picture in a format that is not read becomes a failed item with its reason, where a
shorter list would pass it over in silence. A file by another name is known by its first bytes (`is_readable`).
"""

# What is still being written, and what an editor has put aside, is not the picture that its first bytes promise.
_UNFINISHED = frozenset(
    {".part", ".partial", ".filepart", ".crdownload", ".download", ".aria2", ".tmp", ".temp", ".bak", ".swp", ".lock"}
)
HEAD_BYTES = 32
"""How many bytes of a file `is_readable` wants."""

# Offset, bytes, name. The first match counts.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II\x2a\x00", "TIFF"),
    (0, b"MM\x00\x2a", "TIFF"),
    (0, b"II\x2b\x00", "TIFF"),  # BigTIFF
    (0, b"MM\x00\x2b", "TIFF"),
    (0, b"IIRO", "a camera's raw format"),  # Olympus
    (0, b"IIRS", "a camera's raw format"),
    (0, b"MMOR", "a camera's raw format"),
    (0, b"IIU\x00", "a camera's raw format"),  # Panasonic
    (0, b"FUJIFILMCCD-RAW", "a camera's raw format"),
    (0, b"\x00MRM", "a camera's raw format"),  # Minolta
    (6, b"HEAPCCDR", "a camera's raw format"),  # Canon
    (4, b"ftypcrx", "a camera's raw format"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (4, b"jP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL \r\n\x87\n", "JPEG XL"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (0, b"8BPS", "Photoshop"),
    (-18, b"TRUEVISION-XFILE.\x00", "Targa"),  # a footer, since its header begins like an icon's
    (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"icns", "icon"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (128, b"DICM", "DICOM"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"ZISRAWFILE", "Zeiss CZI"),
    (0, b"\xda\xce\xbe\x0a", "Nikon ND2"),
    (0, b"\x70\x00\x00\x00", "Leica LIF"),
    (0, b"\x0a\x05\x01", "PCX"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"%!PS", "PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"/* XPM */", "XPM"),
)
_NETPBM = re.compile(rb"P[1-7Ff]\s+[#\dW]")
# "BM" alone begins many a text; the size of the header that follows is one of these.
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def may_be_an_image(extension: str) -> bool:
    """Whether a file of an extension that is none of IMAGE_EXTENSIONS may be a whole image all the same."""
    return extension.lower() not in _UNFINISHED and not extension.endswith("~")


def is_readable(head: bytes) -> bool:
    """Whether a file that begins with these HEAD_BYTES is in one of the formats that are read."""
    return identify(head) in READABLE


def identify(data: bytes) -> str | None:
    """The name of the image format that `data` is in by its signature, or None where it is none known."""
    for offset, signature, name in _SIGNATURES:
        start = offset if offset >= 0 else max(len(data) + offset, 0)
        if data.startswith(signature, start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if _NETPBM.match(data):
        return "Netpbm"
    return None
