from pathlib import Path

import pytest

from tests.unit.extending.conftest import PACKAGES, House


def test_what_runs_in_a_copy_is_the_copy(house_copy: House) -> None:
    found = house_copy.run(Path(__file__).with_name("show_packages.py"), *PACKAGES)
    assert found == [str(house_copy.root / package / "__init__.py") for package in PACKAGES]


def test_a_copy_knows_what_was_added_to_it(house_copy: House) -> None:
    assert house_copy.touched() == set()
    house_copy.write("worker/new.py", "")
    house_copy.append("shared/version.py", "NEW = 1\n")
    house_copy.insert("shared/errors.py", "import enum as new\n", after="from enum import")
    assert house_copy.touched() == {"worker/new.py", "shared/version.py", "shared/errors.py"}


def test_nothing_is_overwritten_or_put_where_it_is_not_clear(house_copy: House) -> None:
    with pytest.raises(FileExistsError):
        house_copy.write("worker/items.py", "")
    with pytest.raises(ValueError, match="unpack"):
        house_copy.insert("shared/errors.py", "", after="there is no such line")
    assert house_copy.touched() == set()
