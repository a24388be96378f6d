from pathlib import Path

import pytest

from shared.config import load_settings
from shared.errors import ConfigurationError


def test_a_watchdog_outlasts_two_tries_at_an_image(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"WATCHDOG_SECONDS \(20\) .* twice DECODE_SECONDS \(10\)"):
        load_settings(delineate_home=tmp_path, watchdog_seconds=20.0, decode_seconds=10.0)
    assert load_settings(delineate_home=tmp_path, watchdog_seconds=20.0, decode_seconds=9.0).decode_seconds == 9.0
