"""No folder for temporary files, or one without room: parts do not start, readiness says so, uploads are told."""

import shutil
import tempfile
from types import SimpleNamespace

import pytest

from shared.errors import ConfigurationError
from shared.health import Readiness
from shared.temporary import check_temporary_folder


@pytest.fixture(params=["none", "read-only", "small"])
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A way in which temporary files cannot be had, and what the line about it says."""
    if request.param == "small":
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=16 * 2**20))
        return "16 MiB free"
    if request.param == "none":
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    else:
        monkeypatch.setattr(tempfile, "tempdir", "/proc")
    return "no folder for temporary files"


def test_where_all_is_well() -> None:
    check_temporary_folder()


def test_what_lacks_is_one_line(lacking: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{lacking}.*TMPDIR") as caught:
        check_temporary_folder()
    assert "\n" not in str(caught.value)


def test_readiness_says_so(lacking: str) -> None:
    well = SimpleNamespace(check=lambda: None)
    services = SimpleNamespace(database=well, queue=well, store=well)
    assert Readiness(services).answers() == {  # type: ignore[arg-type]
        "database": True, "queue": True, "store": True, "temporary_files": False,
    }  # fmt: skip
