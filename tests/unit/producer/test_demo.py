import pytest

from producer.demo import SeverityRange
from shared.errors import UsageError


@pytest.mark.parametrize(("text", "expected"), [("0.5", (0.5, 0.5)), ("0:1", (0.0, 1.0)), (".25:.75", (0.25, 0.75))])
def test_severities(text: str, expected: tuple[float, float]) -> None:
    parsed = SeverityRange.parse(text)
    assert (parsed.low, parsed.high) == expected


@pytest.mark.parametrize("text", ["", "a", "0:", "1:b", "0:1:2", ":1"])
def test_what_is_no_severity(text: str) -> None:
    with pytest.raises(UsageError, match="severity"):
        SeverityRange.parse(text)
