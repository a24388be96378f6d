import pytest

from shared.patterns import literal_beginning, matches, split_at_pattern


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.tif", ["a.tif"], ["p/a.tif", "a.png"]),
        ("**/*.tif", ["a.tif", "p/a.tif", "p/q/a.tif"], ["a.png", "a.tif/b"]),
        ("p/**/c.tif", ["p/c.tif", "p/q/r/c.tif"], ["c.tif", "q/p/c.tif"]),
        ("p/**", ["p/a", "p/q/a"], ["q/a"]),
        ("p?/[ab].tif", ["p1/a.tif"], ["p1/c.tif", "p/a.tif", "p//a.tif"]),
        ("**/**/**/x", ["x", "a/b/c/d/x"], ["a/x/b"]),
    ],
)
def test_a_star_stays_in_a_name_and_two_go_into_folders(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in [*yes, *no] if matches(path, pattern)] == yes


def test_many_stars_take_no_time() -> None:
    assert not matches("/".join("a" * 400), "/".join(["**"] * 400) + "/b")


def test_a_path_is_cut_before_its_first_pattern() -> None:
    assert split_at_pattern("plates/2026/*/a.tif") == ("plates/2026/", "*/a.tif")
    assert split_at_pattern("pl?tes/a") == ("", "pl?tes/a")
    assert split_at_pattern("plates/a.tif") == ("plates/a.tif", "")
    assert literal_beginning("A1_*.tif") == "A1_"
