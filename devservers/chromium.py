"""The browser of the acceptance tests: the system's own, so that nothing is downloaded."""

import shutil

from devservers.process import ServerMissing


def chromium_executable() -> str:
    """The path of a Chromium or Chrome, for Playwright's `executable_path`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise ServerMissing("needs a browser: apt-get install chromium")
