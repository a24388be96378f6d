"""What an error says of itself to whoever is told no addresses."""

from collections.abc import Iterator

import pytest

from shared.errors import BrokerFull, Busy, DatabaseFull, Retryable, StoreFull


def kinds(parent: type[Retryable]) -> Iterator[type[Retryable]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", [Retryable, *kinds(Retryable)])
def test_the_public_line_is_of_the_class_and_holds_nothing_of_the_reason(kind: type[Retryable]) -> None:
    line = kind("no answer of db.internal:5432").public_line()
    assert "db.internal" not in line
    assert line[0].isupper()
    assert line.endswith(".")
    assert ("free some space" in line) is (kind in (BrokerFull, StoreFull, DatabaseFull))
    assert ("is away" in line) is (kind not in (BrokerFull, StoreFull, DatabaseFull, Busy))
