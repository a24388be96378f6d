"""The services that a command works on: the installation's own, or those behind an API."""

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from shared.commandline import keep_options, opened_services
from shared.config import load_settings
from shared.logs import setup_logging
from shared.services import Services


@contextmanager
def opened() -> Iterator[Services]:
    """Open the services for as long as the body runs; `--api` or DELINEATE_API says which.

    The log is for developers; users get bars, tables and the one line that an error is.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    asked = click.get_current_context().find_root().params.get("api")
    settings = load_settings()
    url = asked or settings.delineate_api
    if not url:
        with opened_services(check=False, quiet=True) as services:
            yield services
        return
    if asked:
        keep_options("producer", f"--api {shlex.quote(asked)}")
    from producer.remote.services import connect

    setup_logging("ERROR" if settings.log_level != "DEBUG" else "DEBUG")
    with closing(connect(settings, url)) as remote:
        yield remote
