r"""Names of files that any file system takes, and that stay apart on all of them.

One function makes the names of all that leaves: of folders, of zips, of single files that a browser saves. What it
changes is what some system refuses, hides or takes for something else:

control characters, `\ : * ? < > | "`, what turns text round    become `_`
dots and blanks at the end, which Windows drops                 become `_`
`con`, `nul`, `com1` …, with any extension                      get a `_` before them
what a shell takes for an option, a spreadsheet for a formula   gets a `_` before it
an accent as a character of its own                             is joined to its letter (NFC)
over 255 bytes of UTF-8                                         is cut, and ends in a digest of the whole
"""

import hashlib
import unicodedata
from urllib.parse import quote

from shared.formulas import begins_formula

# What Linux and macOS take as one file's name; Windows takes as many characters.
MAX_NAME_BYTES = 255

_FORBIDDEN = frozenset('\\/:*?<>|"')
# Control characters, halves of surrogate pairs, line and paragraph separators.
_UNUSABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9): they show `gnp.exe` as `exe.png`.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DEVICES = frozenset(
    {
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³"),
    }
)
# Not letters to some file systems, which compare names without them: joiners, marks of order, selectors of variants.
_IGNORED = frozenset({"\u034f", *map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0))})
_FORMAT = "Cf"
_DIGEST_LENGTH = 16


def is_usable(character: str) -> bool:
    """Whether a character can be seen, and leaves those beside it where they are."""
    return unicodedata.category(character) not in _UNUSABLE and character not in _TURNING


def portable_name(name: str, *, ending: str = "", most: int = MAX_NAME_BYTES) -> str:
    """Return the name of one file or folder as any file system takes it; the same one for the same `name` always.

    Args:
        name: without `/`, and not empty; `.` and `..` become `_` and `__`.
        ending: is put behind it, such as `.png`, and never cut; portable itself.
        most: bytes of UTF-8 that it may have with the ending, 64 or more.
    """
    text = _visible(name) + ending
    kept = text.rstrip(". ")
    text = kept + "_" * (len(text) - len(kept))
    if begins_formula(text) or _is_device(text):
        text = f"_{text}"
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    end = f"~{digest}{ending}"
    return encoded[: most - len(end.encode())].decode(errors="ignore") + end


def folded(path: str) -> str:
    """Return what is the same for two paths of which some file system makes one: of another case, other accents' form.

    It is no path itself. Where it differs for two paths, they are two files on every file system known.
    """
    if path.isascii():
        return path.lower()
    decomposed = unicodedata.normalize("NFD", path)
    told = "".join(c for c in decomposed if c not in _IGNORED and unicodedata.category(c) != _FORMAT)
    # Upper case first: some systems compare in it, and not every letter comes back from there.
    return unicodedata.normalize("NFD", told.upper().casefold())


def attachment_names(filename: str) -> dict[str, str]:
    """Return the parameters of a Content-Disposition by which browsers save a file under this name: RFC 6266.

    Old ones take `filename`, in ASCII; all others take `filename*`, which is there where the name has other letters.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
    return {"filename": plain} | ({} if plain == filename else {"filename*": f"UTF-8''{quote(filename, safe='')}"})


def _visible(name: str) -> str:
    if name.isascii() and name.isprintable():
        composed = name
        replaced = set(_FORBIDDEN.intersection(name))
    else:
        composed = unicodedata.normalize("NFC", name)
        replaced = {c for c in composed if c in _FORBIDDEN or not is_usable(c) or _is_noncharacter(c)}
    return "".join("_" if c in replaced else c for c in composed) if replaced else composed


def _is_noncharacter(character: str) -> bool:
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _is_device(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES
