"""What the embedded stack tells its user; each function returns lines."""

import os
from pathlib import Path

from shared.config import Settings

_MAY_BE_ELSEWHERE = {"database": "DATABASE_URL", "broker": "BROKER_URL", "object store": "STORE_URL"}


def elsewhere(settings: Settings) -> list[str]:
    """Name the services that are configured elsewhere and therefore not started here."""
    return [
        f"uses the {service} of {name} and starts none of its own"
        for service, name in _MAY_BE_ELSEWHERE.items()
        if getattr(settings, name.lower())
    ]


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
