"""Pictures are kept up to a number of bytes, the ones asked for last."""

from admin.pages.picture_cache import PictureCache


def test_what_was_not_asked_for_the_longest_makes_room() -> None:
    cache = PictureCache(max_bytes=10)
    for name in "abc":
        cache.put(name, name.encode() * 3)
    assert cache.get("a") == b"aaa"
    cache.put("d", b"ddd")
    assert [cache.get(name) for name in "abcd"] == [b"aaa", None, b"ccc", b"ddd"]


def test_a_picture_that_is_put_again_counts_once() -> None:
    cache = PictureCache(max_bytes=10)
    for _ in range(5):
        cache.put("a", b"aaaaaa")
    cache.put("b", b"bbbb")
    assert cache.get("a") == b"aaaaaa"
    assert cache.get("b") == b"bbbb"


def test_one_that_is_too_large_drives_nobody_out() -> None:
    cache = PictureCache(max_bytes=10)
    cache.put("a", b"a")
    cache.put("b", b"b" * 11)
    assert cache.get("a") == b"a"
    assert cache.get("b") is None
