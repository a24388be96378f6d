"""What the embedded stack tells its user; each function returns lines."""

import os
from pathlib import Path

from shared.config import Settings
from shared.db.network_disk import warning_of

_MAY_BE_ELSEWHERE = {"database": "DATABASE_URL", "broker": "BROKER_URL", "object store": "STORE_URL"}


def elsewhere(settings: Settings) -> list[str]:
    """Name the services that are configured elsewhere and therefore not started here."""
    return [
        f"uses the {service} of {name} and starts none of its own"
        for service, name in _MAY_BE_ELSEWHERE.items()
        if getattr(settings, name.lower())
    ]


def network_disk(settings: Settings) -> list[str]:
    """Warn where the embedded database lies on a disk of another machine."""
    warning = "" if settings.database_url else warning_of(settings.delineate_home)
    return [f"warning: {warning}"] if warning else []


def first_password(settings: Settings, password: str, file: Path) -> list[str]:
    """Show the password that the first start made, once."""
    return [f"first start: log in as {settings.admin_username} with password {password} (kept in {shown(file)})"]


def ready(settings: Settings, address: str, password_file: Path) -> list[str]:
    """Say that everything answers, and where."""
    where = f", password in {shown(password_file)}" if password_file.exists() else ""
    return [f"ready: {address} (user {settings.admin_username}{where})"]


def shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
