"""Names of files that any file system takes: the rules of each, written down once more."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.portable import MAX_NAME_BYTES, attachment_names, folded, portable_name

# What Windows' documentation forbids, FAT's and exFAT's tables, and what a shell or a spreadsheet takes for more.
_WINDOWS = set('\\/:*?"<>|') | {chr(code) for code in range(32)} | {"\x7f"}
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")

_pieces = st.sampled_from(
    ["con", "AUX", "nul", "Com1", "lpt¹", ".png", ".", " ", ":", "\\", "?", "\u202e", "e\u0301", "é", "ß", "İ", "ı",
     "K", "\x00", "\x85", "\ud800", "\ufffe", "-", "=", "~", "漢" * 40, "🦠", "a", "A", "%", "'"]
)  # fmt: skip
_names = st.lists(_pieces, min_size=1, max_size=12).map("".join) | st.text(st.characters(codec=None), min_size=1)
# A path's part holds no slash.
_names = _names.map(lambda name: name.replace("/", "_"))


@given(_names, st.sampled_from(["", ".png", "-mask.png"]))
@example(".", "")
@example("..", "")
@example("...", "")
@example("con", ".png")
@example("aux .tar", "")
@example("x" * 251, ".png")
@example("x" * 252, ".png")
def test_any_file_system_takes_it(name: str, ending: str) -> None:
    portable = portable_name(name, ending=ending)
    assert 0 < len(portable.encode()) <= MAX_NAME_BYTES
    assert not _WINDOWS.intersection(portable)
    assert not _TURNING.intersection(portable)
    assert portable[-1] not in ". "
    assert portable.partition(".")[0].rstrip().upper() not in _DEVICES
    assert portable[0] not in "-=+@"
    assert unicodedata.is_normalized("NFC", portable)
    assert portable.endswith(ending)
    assert portable_name(name, ending=ending) == portable


@given(_names)
def test_a_portable_name_stays(name: str) -> None:
    once = portable_name(name)
    assert portable_name(once) == once


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("scan 01 (copy).final", "scan 01 (copy).final"),
        ("ünï 漢字 🦠", "ünï 漢字 🦠"),
        ("2024-01-01T12:30:00", "2024-01-01T12_30_00"),
        ("x\\..\\..\\evil", "x_.._.._evil"),
        ("CON", "_CON"),
        ("con.tar.gz", "_con.tar.gz"),
        ("Com¹ .x", "_Com¹ .x"),
        ("console", "console"),
        ("com10", "com10"),
        ("a. .", "a___"),
        ("..", "__"),
        (".hidden", ".hidden"),
        ("\u202egnp", "_gnp"),
        ("line\nbreak\x1b[2J", "line_break_[2J"),
        ("e\u0301", "é"),
        ("-rf", "_-rf"),
        ("=1+1", "_=1+1"),
        ("~user", "~user"),
    ],
)
def test_what_becomes_of_names(name: str, portable: str) -> None:
    assert portable_name(name) == portable


def test_a_long_name_keeps_its_beginning_and_its_ending() -> None:
    one, other = "漢" * 100, "漢" * 101
    assert portable_name(one, ending=".png").startswith("漢" * 70)
    assert portable_name(one, ending=".png") != portable_name(other, ending=".png")
    assert len(portable_name(one, ending=".png", most=64).encode()) <= 64


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A/b.png", "a/B.PNG"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("ß", "SS"),
        ("ı", "I"),
        ("K", "k"),  # the Kelvin sign
        ("ﬁ", "FI"),
        ("Σ", "ς"),
        ("a\u200cb", "ab"),  # HFS+ compares without joiners
        ("☺\ufe0f", "☺"),
    ],
)
def test_what_some_file_system_takes_for_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(st.text(max_size=10), st.text(max_size=10))
def test_folding_takes_case_and_accents_away_and_no_more(one: str, other: str) -> None:
    for change in (str.casefold, str.upper, lambda text: unicodedata.normalize("NFD", text)):
        assert folded(change(one)) == folded(one)
    if one.isascii() and other.isascii():
        assert (folded(one) == folded(other)) is (one.lower() == other.lower())


@given(_names)
def test_a_browser_gets_one_line(name: str) -> None:
    filename = portable_name(name, ending=".zip")
    for value in attachment_names(filename).values():
        assert value.isascii()
        assert value.isprintable()
        assert not {'"', "\\"}.intersection(value)


def test_old_browsers_get_ascii_and_new_ones_the_name() -> None:
    assert attachment_names("a-1.png") == {"filename": "a-1.png"}
    assert attachment_names("é %.png") == {"filename": "_ _.png", "filename*": "UTF-8''%C3%A9%20%25.png"}
